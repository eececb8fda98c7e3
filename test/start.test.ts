import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { catalogue, type Row } from '@scout/core'
import { expect, onTestFinished, test, vi } from 'vitest'
import { namespaces } from './support/child.ts'
import { testWith } from './support/requirements.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const timeout = 120_000

const peers = ['scout-2.127.0.0.2', 'scout-3.127.0.0.3']
const unprivileged = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'] as const
const overLoopback = ['npm', 'start', '--', '--loopback', '--interval', '500ms'] as const

testWith(namespaces, 'ip')(
  'npm start makes every check of the catalogue, shows it without any failure, and ends with Ctrl-C',
  { timeout },
  async () => {
    const demo = await startDemo(overLoopback)
    // The others idle for minutes between attempts.
    const prompt = catalogue.filter((definition) => !('intervalMs' in definition))
    for (const { name } of prompt) for (const peer of peers) await demo.printed(success(name, peer))
    expect(demo.out()).toContain('server is listening at http://localhost:8080\n')
    const { series } = JSON.parse(await demo.fetch('/api/v1/snapshot')) as Pick<Row, 'series'>
    const ofPrompt = series.filter(({ check }) => prompt.some(({ name }) => name === check))
    expect(ofPrompt.map(({ state }) => state)).toEqual(new Array(2 * prompt.length).fill('ok'))
    // Agents that start together do not all listen yet when the first of them looks for the others.
    expect(series.flatMap(({ total }) => Object.keys(total.reasons))).toEqual([])
    expect(demo.out()).not.toContain('    failure: ')
    await vi.waitFor(() => expect(demo.err()).toContain('page at http://localhost:8080\n'), { timeout })
    expect(JSON.parse(await demo.fetch('/'))).toMatchObject({ message: 'connected to scout' })
    expect(await demo.fetch('/', { accept: 'text/html' })).toContain('<title>Scout</title>')

    const second = await demo.inside('npm', 'start', '--', '--loopback')
    expect(second).toMatchObject({ code: 1 })
    expect(second.err).toContain(': another process uses the port')
    expect(second.err).toContain(
      'the agents need 127.0.0.1:8081, 127.0.0.2:8081, 127.0.0.3:8081, and port 8080 for the console',
    )

    await demo.end('SIGINT')
    expect(demo.out()).toMatch(/ stopped\n$/)
  },
)

testWith(
  namespaces,
  'ip',
  'nft',
  'unshare',
  'nsenter',
  'setpriv',
)(
  'npm start breaks the network of a lab without privileges, shows what fails, and ends with Ctrl-C',
  { timeout },
  async () => {
    const options = ['--fault', 'mtu-blackhole', '--interval', '500ms', '--console-port', '8090']
    // Not by npm, which ends by SIGINT itself and hides the exit code.
    const demo = await startDemo([...unprivileged, process.execPath, 'scripts/demo/start.mjs', ...options])
    const [broken, whole] = ['pod2.10.244.2.10', 'pod3.10.244.3.10']
    await demo.printed(failure('http-large', broken, 'timeout in server'))
    for (const check of ['http', 'tcp', 'udp', 'icmp', 'dns']) await demo.printed(success(check, broken))
    await demo.printed(success('http-large', whole))
    await demo.printed(new RegExp(` by service\n${phases}${response}`, 'g'))
    expect(demo.out()).toContain('server is listening at http://localhost:8090\n')
    expect(JSON.parse(await demo.fetch('/', { port: 8090 }))).toMatchObject({ message: 'connected to scout' })

    const second = await demo.inside(process.execPath, 'scripts/demo/demo.mjs', '--console-port', '8090')
    expect(second).toMatchObject({ code: 1 })
    expect(second.err).toContain('npm start: cannot listen on localhost, port 8090: listen EADDRINUSE')
    expect(second.err).toContain('(npm start -- --console-port 8090 uses another)')

    expect(await demo.end('SIGINT')).toBe(0)
    expect(demo.out()).toMatch(/ stopped\n$/)
  },
)

testWith(namespaces, 'ip', 'nft')(
  'npm start without a tool of the lab names its package, and goes on over loopback unless a fault is wanted',
  { timeout },
  async () => {
    const hide = 'mount --bind /dev/null "$(PATH=$PATH:/usr/sbin:/sbin command -v nft)" && exec "$@"'
    const withoutNft = ['unshare', '--mount', 'sh', '-c', hide, 'sh']
    const demo = await startDemo([...withoutNft, process.execPath, 'scripts/demo/demo.mjs', '--interval', '500ms'])
    for (const peer of peers) await demo.printed(success('http', peer))
    expect(demo.err()).toMatch(/^a lab needs nftables: .*install nftables.*\ngoing on over loopback/)
    const broken = await demo.inside(...withoutNft, process.execPath, 'scripts/demo/demo.mjs', '--fault', 'udp-blocked')
    expect(broken).toMatchObject({ code: 3, err: expect.stringContaining('npm start: a lab needs nftables') })
    await demo.end('SIGTERM')
  },
)

testWith(namespaces, 'ip')('what kills npm start ends its agents, too', { timeout }, async () => {
  const demo = await startDemo(overLoopback)
  for (const peer of peers) await demo.printed(success('http', peer))
  await demo.end('SIGKILL')
  expect(demo.out()).toMatch(/ stopped\n$/)
})

testWith(
  namespaces,
  'ip',
  'nft',
  'unshare',
  'nsenter',
)(
  'npm start -- --quiet prints only incidents, and the page and the fault when all agents listen',
  { timeout },
  async () => {
    const options = ['--quiet', '--fault', 'mtu-blackhole', '--interval', '500ms']
    const demo = await startDemo([process.execPath, 'scripts/demo/demo.mjs', ...options])
    await demo.printed(/^incident (?:opened|changed): packets with 1400 bytes of payload vanish .*\n/gm)
    await vi.waitFor(() => expect(demo.err()).toMatch(/^page at http:\/\/localhost:8080\nfault mtu-blackhole .*\n$/), {
      timeout,
    })
    expect(await demo.end('SIGINT')).toBe(0)
    expect(demo.out()).toMatch(/^(?:incident (?:opened|changed|closed): .*\n)+$/)
  },
)

test('npm start -- --help lists every option', async () => {
  const { code, out, err } = await finished(process.execPath, ['scripts/demo/demo.mjs', '--help'], process.env)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  for (const option of ['fault', 'network', 'interval', 'console-port', 'loopback', 'quiet', 'help'])
    expect(out).toMatch(new RegExp(` --${option}\\b`))
})

test.each([
  [['--loopback', '--fault', 'delay'], '--loopback has no network to shape or to break'],
  [['milliseconds=5'], '"milliseconds=5" has no fault to apply to: write --fault NAME before it'],
  [['--fault', 'delay', 'fast'], '"fast" is not a parameter: write it as key=value'],
  [
    ['--fault', 'delay', 'milliseconds=a=b'],
    'parameter milliseconds of the fault delay: "a=b" is not a number: it must be at',
  ],
  [['--fault', 'delay', 'from=9'], 'no node is called "9": this lab has nodes 1 to 3 in zone-a, zone-b, or say any'],
  [['--network', 'flat'], 'parameter network of the lab: "flat" is not one of routed, vxlan'],
  [['--interval', '5'], 'setting interval (from --interval): "5" is not a duration'],
  [['--console-port', 'x'], '--console-port must be a port from 1 to 65535, not "x"'],
  [['--fautl', 'delay'], "Unknown option '--fautl': it takes --fault NAME"],
])('npm start -- %j is a mistake that ends with status 2 before anything is built', async (words, sentence) => {
  const { code, err, out } = await finished(process.execPath, ['scripts/demo/demo.mjs', ...words], process.env)
  expect(err).toContain(`npm start: ${sentence}`)
  expect([code, out]).toEqual([2, ''])
})

testWith(namespaces, 'ip')(
  'npm start without privileges says so once, probes by the other four, and ends with its terminal',
  { timeout },
  async () => {
    const demo = await startDemo([...unprivileged, ...overLoopback])
    for (const check of ['http', 'tcp', 'udp', 'dns'])
      for (const peer of peers) await demo.printed(success(check, peer), 2)
    expect(demo.out().match(/ by icmp\n/g)).toHaveLength(1)
    expect(demo.out()).toMatch(/ failure: not-permitted in .*CAP_NET_RAW/)
    await demo.end('SIGHUP')
    expect(demo.out()).toMatch(/ stopped\n$/)
  },
)

/** Starts a command in a separate network, where every port is free. */
async function startDemo(command: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'scout-test-'))
  const env = { ...process.env, TMPDIR: folder, SCOUT_NO_INSTALL: '1' }
  // The shell stays, to lead others into its network, and leaves the signals to npm.
  const script = 'trap : INT HUP; ip link set lo up && "$@"'
  const namespace = ['--user', '--map-root-user', '--net', 'sh', '-c', script, 'sh']
  const child = spawn('unshare', [...namespace, ...command], { cwd: root, env, detached: true })
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
    err: () => err,
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
    async fetch(path: string, { accept = '*/*', port = 8080 } = {}) {
      const options = JSON.stringify({ headers: { accept } })
      const program = `process.stdout.write(await (await fetch('http://localhost:${port}${path}', ${options})).text())`
      return (await inside(process.execPath, '--input-type=module', '--eval', program)).out
    },
    /** Sends the terminal's signal to everything started from it, waits until the last agent has ended, and answers the exit code. */
    async end(signal: NodeJS.Signals) {
      process.kill(-pid, signal)
      await closed
      while ((await processesAbout(folder)).length > 0);
      return child.exitCode
    },
  }
}

const phases = String.raw`(?:.{20}    (?:connection start|latency [a-z ]+): .*\n)+`
const response = '.{20}    response: '

/** The whole of what is printed for an attempt that succeeded. */
function success(check: string, peer: string): RegExp {
  return new RegExp(`${heading(check, peer)}${phases}${response}`, 'g')
}

function failure(check: string, peer: string, words: string): RegExp {
  return new RegExp(`${heading(check, peer)}${phases}.{20}    failure: ${words}`, 'g')
}

function heading(check: string, peer: string): string {
  const by = check === 'http' ? '' : ` by ${check}`
  return String.raw`probing: \S+ -> ${peer.replaceAll('.', String.raw`\.`)} @ node: node-?\d${by}\n`
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
