import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { namespaces } from './support/child.ts'
import { testWith } from './support/requirements.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const timeout = 120_000

const peers = ['scout-2', 'scout-3']

testWith(namespaces, 'ip')(
  'npm start probes by all five protocols, shows it, and ends with Ctrl-C',
  { timeout },
  async () => {
    const demo = await startDemo([])
    for (const check of ['http', 'http-large', 'tcp', 'udp', 'udp-large', 'icmp', 'dns'])
      for (const peer of peers) await demo.printed(success(check, peer))
    expect(demo.out()).toContain('server is listening at http://localhost:8080\n')
    const { series } = JSON.parse(await demo.fetch('/api/v1/snapshot')) as { series: readonly { state: string }[] }
    expect(series.map(({ state }) => state)).toEqual(new Array(14).fill('ok'))
    expect(JSON.parse(await demo.fetch('/'))).toMatchObject({ message: 'connected to scout' })
    expect(await demo.fetch('/', 'text/html')).toContain('<title>all well · scout on node-1</title>')

    const second = await demo.inside('npm', 'start', '--', '--loopback')
    expect(second).toMatchObject({ code: 1 })
    expect(second.err).toContain(': another process has the port')
    expect(second.err).toContain(
      'the agents need 127.0.0.1:8081, 127.0.0.2:8081, 127.0.0.3:8081, and port 8080 for the console',
    )

    await demo.end('SIGINT')
    expect(demo.out()).toMatch(/ stopped\n$/)
  },
)

testWith(namespaces, 'ip')(
  'npm start without privileges says so once, probes by the other four, and ends with its terminal',
  { timeout },
  async () => {
    const demo = await startDemo(['unshare', '--user', '--map-user=65534', '--'])
    for (const check of ['http', 'tcp', 'udp', 'dns'])
      for (const peer of peers) await demo.printed(success(check, peer), 2)
    expect(demo.out().match(/ by icmp\n/g)).toHaveLength(1)
    expect(demo.out()).toMatch(/ failure: not-permitted in .*CAP_NET_RAW/)
    await demo.end('SIGHUP')
    expect(demo.out()).toMatch(/ stopped\n$/)
  },
)

/** `npm start` in a network of its own, where every port is free. */
async function startDemo(wrapper: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'scout-test-'))
  const env = { ...process.env, TMPDIR: folder }
  // The shell stays, to lead others into its network, and leaves the signals to npm.
  const script = 'trap : INT HUP; ip link set lo up && "$@"'
  const command = ['npm', 'start', '--', '--loopback', '--interval', '500ms']
  const namespace = ['--user', '--map-root-user', '--net', 'sh', '-c', script, 'sh']
  const child = spawn('unshare', [...namespace, ...wrapper, ...command], { cwd: root, env, detached: true })
  const closed = once(child, 'close')
  let out = ''
  let err = ''
  const waiting = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
    for (const check of waiting) check()
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text
  })
  const pid = child.pid ?? 0
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL')
    for (const agent of await processesAbout(folder)) process.kill(agent, 'SIGKILL')
    await closed
    await rm(folder, { recursive: true })
  })
  const inside = (...command: readonly string[]) =>
    finished('nsenter', ['--target', String(pid), '--user', '--preserve-credentials', '--net', '--', ...command], env)
  return {
    out: () => out,
    inside,
    /** Waits until it has printed this so many times. */
    printed: (pattern: RegExp, count = 1) =>
      new Promise<void>((resolve, reject) => {
        const check = () => {
          if ((out.match(pattern) ?? []).length < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        void closed.then(() => reject(new Error(`it ended without printing ${String(pattern)}: ${out}${err}`)))
        check()
      }),
    /** What its console answers. */
    async fetch(path: string, accept = '*/*') {
      const options = JSON.stringify({ headers: { accept } })
      const program = `process.stdout.write(await (await fetch('http://localhost:8080${path}', ${options})).text())`
      return (await inside(process.execPath, '--input-type=module', '--eval', program)).out
    },
    /** Sends the terminal's signal to everything started from it, and waits until the last agent has ended. */
    async end(signal: NodeJS.Signals) {
      process.kill(-pid, signal)
      await closed
      while ((await processesAbout(folder)).length > 0);
    },
  }
}

/** The whole of what is printed for an attempt that succeeded. */
function success(check: string, peer: string): RegExp {
  const by = check === 'http' ? '' : ` by ${check}`
  const phases = String.raw`(?:.{20}    (?:connection start|latency [a-z ]+): .*\n)+`
  return new RegExp(
    String.raw`probing: scout-1 -> ${peer}\.127\.0\.0\.\d @ node: node-\d${by}\n${phases}.{20}    response: `,
    'g',
  )
}

/** Processes whose command line names this folder. */
async function processesAbout(folder: string): Promise<readonly number[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')))
  return ids.filter((_, i) => lines[i]?.includes(folder) === true).map(Number)
}

function finished(file: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  return new Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>((resolve) => {
    const child = execFile(file, args, { cwd: root, env }, (_, out, err) => resolve({ code: child.exitCode, out, err }))
  })
}
