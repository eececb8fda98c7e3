import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { LabError } from './errors.ts'
import { childrenOf, toolEnvironment } from './sandbox.ts'

export interface ProcessOptions {
  /** Environment of the process, in place of the caller's. */
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Default: all three are pipes. `'ipc'` opens a channel to a Node process, over which a listening server can be sent. */
  readonly stdio?: StdioOptions
  /** In a process group of its own, so that a signal of the caller's terminal, such as Ctrl-C, does not reach it. */
  readonly detached?: boolean
}

export interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** A process inside the lab. It ends with the lab, even if its owner is killed. */
export class LabProcess {
  /** Streams and exit of the process; its `pid` is that of the `nsenter` which waits for it, so use `signal` to kill. */
  readonly child: ChildProcess
  /** Settles when the process is gone: its exit code, or 128 plus the signal's number as shells say it. */
  readonly exited: Promise<number>

  constructor(command: readonly string[], options: ProcessOptions) {
    const [file = '', ...argv] = command
    this.child = spawn(file, argv, { ...options, env: toolEnvironment(options.env), stdio: options.stdio ?? 'pipe' })
    this.exited = exitStatus(this.child)
    // Callers that await it get the reason it could not start; without such a caller the rejection is not an unhandled one.
    this.exited.catch(() => {})
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Sends a signal to the process, and to its descendants where they are meant to stop and go on with it. */
  async signal(name: NodeJS.Signals): Promise<void> {
    const pid = await this.#pid()
    if (pid === undefined) return
    deliver(pid, name)
    if (name === 'SIGSTOP' || name === 'SIGCONT') for (const child of descendants(pid)) deliver(child, name)
    // nsenter stops together with the process it waits for, and only its own SIGCONT wakes it again.
    if (name === 'SIGCONT' && this.child.pid !== undefined) deliver(this.child.pid, name)
  }

  /** Sends the process SIGTERM, then SIGKILL after `patienceMs`, and returns its exit status. */
  async stop(patienceMs = 2000): Promise<number> {
    await this.signal('SIGTERM')
    const insist = setTimeout(() => void this.signal('SIGKILL'), patienceMs)
    try {
      return await this.exited
    } finally {
      clearTimeout(insist)
    }
  }

  /** Gives it its whole input and answers, at its end, what it printed. */
  async output(input = ''): Promise<Output> {
    const { stdin, stdout, stderr } = this.child
    // A tool that ends before it has read everything says so by its exit status; the broken pipe adds nothing.
    stdin?.on('error', () => {}).end(input)
    const [out, err, status] = await Promise.all([textOf(stdout), textOf(stderr), this.exited])
    return { status, stdout: out, stderr: err }
  }

  /** Lines of its standard output as they come. */
  lines(): AsyncIterable<string> {
    if (this.child.stdout === null) throw new TypeError('the standard output of this process is not a pipe')
    return createInterface({ input: this.child.stdout })
  }

  /** The process behind `nsenter`, which exists a moment after `nsenter` does. */
  async #pid(): Promise<number | undefined> {
    while (this.isRunning && this.child.pid !== undefined) {
      const [pid] = childrenOf(this.child.pid)
      if (pid !== undefined) return pid
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return undefined
  }
}

function descendants(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}

async function textOf(stream: Readable | null): Promise<string> {
  let text = ''
  for await (const chunk of stream?.setEncoding('utf8') ?? []) text += String(chunk)
  return text
}

function deliver(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // ESRCH: it ended by itself in the meantime, which is what the signal could have brought about at most.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

async function exitStatus(child: ChildProcess): Promise<number> {
  try {
    await once(child, 'exit')
  } catch (error) {
    throw new LabError('failed', `cannot start ${child.spawnargs.join(' ')}: ${String(error)}`, { cause: error })
  }
  return child.exitCode ?? 128 + (child.signalCode === null ? 0 : constants.signals[child.signalCode])
}
