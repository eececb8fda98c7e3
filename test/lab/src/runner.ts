import { writeFile } from 'node:fs/promises'
import { type NamespacePlan, stepsScript } from './compile/step.ts'
import { LabError } from './errors.ts'
import { LabProcess, type ProcessOptions } from './process.ts'
import type { Sandbox } from './sandbox.ts'

/** Does things inside a sandbox: runs tools to their end, starts processes, writes files. */
export interface Runner {
  /** Runs a shell script in a namespace and answers what it printed; `step` names it in the error if it fails. */
  script(step: string, namespace: string | undefined, text: string): Promise<string>
  spawn(namespace: string | undefined, argv: readonly string[], options?: ProcessOptions): LabProcess
  apply(plan: NamespacePlan): Promise<void>
  /** Replaces the content of a file of the sandbox in place, so that mounts of it show the new one. */
  write(path: string, content: string): Promise<void>
}

export function createRunner(sandbox: Sandbox): Runner {
  const spawn: Runner['spawn'] = (namespace, argv, options = {}) =>
    new LabProcess(sandbox.command(argv, namespace), options)

  const script: Runner['script'] = async (step, namespace, text) => {
    const { status, stdout, stderr } = await spawn(namespace, ['sh', '-es']).output(text)
    if (status === 0) return stdout
    throw new LabError(
      'failed',
      `cannot ${step} in ${namespace ?? 'the lab'}: ${oneLine(stderr) || `exit status ${status}`}`,
    )
  }

  return {
    script,
    spawn,
    apply: async ({ namespace, steps }) => {
      await script('apply the plan', namespace, stepsScript(steps))
    },
    write: async (path, content) => {
      await writeFile(sandbox.path(path), content)
    },
  }
}

function oneLine(words: string): string {
  return words.trim().split('\n').join('; ')
}
