import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Row, row } from '@scout/core'
import { onTestFinished } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { writeTemporary } from './temporary.ts'

const script = fileURLToPath(new URL('../../bin/scout-agent.js', import.meta.url))

/** One event of the JSON log. */
export interface LogLine {
  readonly msg: string
  readonly level: number
  readonly check?: string
  /** Name of the peer in events about attempts, the whole peer in events about it. */
  readonly peer?: string | { readonly name: string; readonly state: string }
  readonly failure?: { readonly reason: string; readonly message: string }
  readonly recorded?: string
  readonly console?: string
  readonly port?: number
  readonly providers?: Readonly<Record<string, { readonly name: string; readonly remark?: string }>>
  readonly err?: { readonly message: string }
}

/** A built agent, in a separate process. */
export interface AgentProcess {
  readonly pid: number
  /** URL of its console: `http://localhost:40001`. */
  readonly url: string
  readonly responderPort: number
  readonly log: readonly LogLine[]
  /** Waits until the log has this many matching lines; returns them. */
  logged(isWanted: (line: LogLine) => boolean, count?: number): Promise<readonly LogLine[]>
  /** Returns its row from the API. */
  row(): Promise<Row>
  /** Sends the signal and waits for the exit. */
  end(signal: NodeJS.Signals): Promise<Ended>
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly tookMs: number
  /** Its standard error. */
  readonly errors: string
}

/** Runs an agent with this configuration until the test ends. It probes ten times a second and logs every result. */
export async function startAgent(config: object, wrapper: readonly string[] = []): Promise<AgentProcess> {
  const common = { level: 'debug', interval: '100ms', settle: '0s', console: { host: '127.0.0.1', port: 0 } }
  const path = await writeTemporary('config.yaml', JSON.stringify({ ...common, ...config }))
  const child = launch([], { SCOUT_CONFIG: path }, wrapper)
  const closed = once(child, 'close')
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const log: LogLine[] = []
  const checks = new Set<() => void>()
  createInterface(child.stdout).on('line', (line) => {
    log.push(JSON.parse(line) as LogLine)
    for (const check of checks) check()
  })

  const logged: AgentProcess['logged'] = (isWanted, count = 1) =>
    new Promise((resolve, reject) => {
      const check = () => {
        const found = log.filter(isWanted)
        if (found.length < count) return
        checks.delete(check)
        resolve(found)
      }
      checks.add(check)
      void closed.then(() => reject(new Error(`the agent ended without saying it: ${errors}`)))
      check()
    })

  onTestFinished(async () => {
    child.kill('SIGKILL')
    await closed
  })
  const [listening] = await logged(({ msg }) => msg === 'server listening')
  const [responder] = await logged(({ msg }) => msg === 'responder listening')
  const url = listening?.console ?? ''
  return {
    pid: child.pid ?? 0,
    url,
    responderPort: responder?.port ?? 0,
    log,
    logged,
    row: async () => row.parse(await (await fetch(`${url}/api/v1/snapshot`)).json()),
    async end(signal) {
      const startMs = performance.now()
      child.kill(signal)
      const [code, endedBy] = (await closed) as [Ended['code'], Ended['signal']]
      return { code, signal: endedBy, tookMs: performance.now() - startMs, errors }
    },
  }
}

/** An agent whose standard output nobody reads. */
interface Unread extends Pick<AgentProcess, 'url' | 'end'> {
  /** Waits until it has lost lines of its log; returns how many. */
  lostLines(): Promise<number>
}

/**
 * Runs an agent with this configuration, which sets the console's address, until the test ends. Its output goes to a file, to a reader that
 * has gone, or to one that does not read.
 */
export async function startUnread(
  config: { readonly console: { readonly host: string; readonly port: number } } & Readonly<Record<string, unknown>>,
  stdout: number | 'gone' | 'stalled',
): Promise<Unread> {
  const path = await writeTemporary('config.yaml', JSON.stringify({ level: 'debug', settle: '0s', ...config }))
  const { file, args, env } = commandOf([], { SCOUT_CONFIG: path })
  const child = spawn(file, args, { stdio: ['ignore', typeof stdout === 'number' ? stdout : 'pipe', 'pipe'], env })
  const closed = once(child, 'exit')
  if (stdout === 'gone') child.stdout?.destroy()
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await closed
    child.stdout?.destroy()
  })
  const { host, port } = config.console
  const url = `http://${host}:${port}`
  const lostNow = async () => {
    try {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(/^scout_log_lines_lost_total (\d+)/m.exec(text)?.[1])
    } catch {
      return 0 // not listening yet
    }
  }
  return {
    url,
    async lostLines() {
      for (const untilMs = performance.now() + 20_000; performance.now() < untilMs; await sleep(100)) {
        if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}: ${errors}`)
        const lost = await lostNow()
        if (lost > 0) return lost
      }
      return 0
    },
    async end(signal) {
      const startMs = performance.now()
      child.kill(signal)
      const [code, endedBy] = (await closed) as [Ended['code'], Ended['signal']]
      return { code, signal: endedBy, tookMs: performance.now() - startMs, errors }
    },
  }
}

export interface Finished {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs an agent until it exits. */
export async function runAgent(args: readonly string[]): Promise<Finished> {
  const child = launch(args, {})
  const texts = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    texts.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    texts.err += text
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [code] = (await once(child, 'close')) as [number]
  return { code, ...texts }
}

/** Returns an address of this machine that no other test file uses: each file runs in a separate process. */
export function loopback(host: number): string {
  return `127.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}.${host}`
}

function launch(args: readonly string[], environment: NodeJS.ProcessEnv, wrapper: readonly string[] = []) {
  const command = commandOf(args, environment, wrapper)
  return spawn(command.file, command.args, { stdio: ['ignore', 'pipe', 'pipe'], env: command.env })
}

function commandOf(args: readonly string[], environment: NodeJS.ProcessEnv, wrapper: readonly string[] = []) {
  assertBuilt('packages/core')
  assertBuilt('packages/agent')
  const [file = '', ...rest] = [...wrapper, process.execPath, script, ...args]
  // The environment of the user must not affect the test.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('SCOUT_'))
  return { file, args: rest, env: { ...Object.fromEntries(own), ...environment } }
}
