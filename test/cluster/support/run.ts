import { type ExecFileException, execFile } from 'node:child_process'

export interface Outcome {
  readonly isOk: boolean
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end and returns the outcome, success or failure. */
export function outcomeOf(file: string, args: readonly string[], input?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      { maxBuffer: 64 << 20 },
      (error: ExecFileException | null, stdout: string, stderr: string) =>
        resolve({ isOk: error === null, stdout, stderr: stderr === '' ? (error?.message ?? '') : stderr }),
    )
    child.stdin?.end(input)
  })
}

/** Runs a command to its end and returns what it printed. @throws when it fails, with its own words. */
export async function run(file: string, args: readonly string[], input?: string): Promise<string> {
  const { isOk, stdout, stderr } = await outcomeOf(file, args, input)
  if (!isOk) throw new Error(`${file} ${args.join(' ')} failed: ${stderr.trim()}`)
  return stdout
}

export const kubectl = (...args: readonly string[]): Promise<string> => run('kubectl', args)
export const helm = (...args: readonly string[]): Promise<string> => run('helm', args)
