import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { probes } from '@scout/core'
import { expect, test } from 'vitest'
import { namespaces } from '../../../test/support/child.ts'
import { commandsIn, runPrinted } from '../../../test/support/example.ts'
import { testWith } from '../../../test/support/requirements.ts'
import type { Played } from '../../agent/test/support/exec-double.ts'
import { writeKubeconfig } from '../../agent/test/support/kubeconfig.ts'
import { failing, startFakeCluster, timeout } from './support/fake-cluster.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/measurement.md',
  'packages/core/README.md',
  'test/lab/README.md',
]
const printed = documents.flatMap(commandsIn)
const patienceMs = 60_000

/** Returns the output that README.md shows below a command line, up to the next. */
function shownBelow(commandLine: string): string {
  const [, below = ''] = readme.split(`\n$ ${commandLine}\n`)
  return below.split(/^(?:\$ .*|```)$/m)[0] ?? ''
}

/** Masks times and the width of their columns: both differ from run to run. */
function timeless(text: string): string {
  return text
    .replaceAll(/\d+\.\d{3} ms/g, '# ms')
    .replaceAll(/since \S+ \(\S+\)/g, 'since #')
    .replaceAll(/incident [0-9a-f]{12}/g, 'incident #')
    .replaceAll(/ {2,}/g, '  ')
}

/** Starts a cluster and sets KUBECONFIG to it. */
async function startCluster(program: (played: Played) => void = () => {}) {
  const api = await startFakeCluster({
    nodes: ['node1', 'node2', 'node3'],
    change: (series) =>
      series.from === 'node2' && series.to === 'node1' && series.protocol === 'udp' ? failing(series, timeout) : series,
  })
  api.run(program)
  return { KUBECONFIG: writeKubeconfig({ server: api.server }) }
}

const it = testWith('ip', 'nft', namespaces)
const network = 'documents'

/** Commands that the tests below run. */
const commands = {
  all: 'npx scout-probe all 10.244.2.10 --skip dns',
  mtu: 'npx scout-probe mtu 10.244.2.10:8081',
  tcp: 'npx scout-probe tcp 10.244.2.10:8081',
  udp: 'npx scout-probe udp 10.244.2.10:8081 --json',
  trace: 'npx scout-probe trace 10.244.2.10',
  serve: 'npx scout-probe serve',
  doctor: 'npx scout-probe doctor',
  explain: 'npx scout-probe explain mtu-black-hole',
  mesh: 'npx scout-probe mesh',
  from: 'npx scout-probe --from node2 tcp 10.244.1.5:8081',
  agentHelp: 'npx scout-agent --help',
  faults: 'npm run lab -- faults',
}

test('every program in the documents is run here', () => {
  const programs = printed.filter((command) => command.startsWith('npx '))
  expect(new Set(Object.values(commands).filter((command) => command.startsWith('npx ')))).toEqual(new Set(programs))
})

test('every script and manifest in the documents exists', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: Record<string, string> }
  const named = printed.flatMap((command) => /^npm (?:run )?(start|test|\S+:\S+|(?<=run )\S+)/.exec(command)?.[1] ?? [])
  expect(named).toContain('start')
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([])
  const manifests = printed.flatMap((command) => /^kubectl apply -f (\S+)/.exec(command)?.[1] ?? [])
  expect(manifests).toContain('deploy/scout.yaml')
  expect(manifests.filter((path) => !existsSync(`${root}${path}`))).toEqual([])
})

it('all prints that table if large packets vanish', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.all, { network })
  expect(timeless(out)).toBe(timeless(shownBelow(commands.all)))
  expect(code).toBe(1)
})

it('mtu prints those facts about the same path', { timeout: patienceMs }, async () => {
  const countless = (text: string) => timeless(text).replaceAll(/\d+ packets sent, \d+ answered/g, '# packets')
  const { code, out } = await runPrinted(commands.mtu, { network })
  expect(countless(out)).toBe(countless(shownBelow(commands.mtu)))
  expect(code).toBe(1)
})

it('a single probe reads like ping', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.tcp, { network })
  expect(out).toMatch(/^tcp .*\n(?:\S+: seq=\d .*\n)+\n--- 10\.244\.2\.10:8081 tcp statistics ---\n/)
  expect(code).toBe(0)
})

it('--json prints one object per attempt', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.udp, { network })
  const attempts = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { ok: boolean })
  expect(new Set(attempts.map(({ ok }) => ok))).toEqual(new Set([true]))
  expect(code).toBe(0)
})

it('trace shows the way to another pod', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.trace, { network })
  expect(out).toMatch(/^trace of 10\.244\.2\.10\n[^]*\n10\.244\.2\.10 is 1 hop away; /)
  expect(code).toBe(0)
})

it('serve listens until Ctrl-C, and prints its counters', { timeout: patienceMs }, async () => {
  const { out } = await runPrinted(commands.serve, { network: 'loopback', until: 'udp at [::]:8081' })
  expect(out).toContain('udp: 0 answered')
})

it('doctor lists every probe', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.doctor, { network })
  for (const protocol of Object.keys(probes)) expect(out).toMatch(new RegExp(`\\b${protocol}\\b`))
  expect(code).toBe(0)
})

test('explain says what to do', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.explain)
  expect(out).toMatch(/^mtu-black-hole, critical\n[^]*\nWhat to do\n/)
  expect(code).toBe(0)
})

test('mesh prints that table for a cluster with such a fault', { timeout: patienceMs }, async () => {
  const { out } = await runPrinted(commands.mesh, { env: await startCluster() })
  expect(timeless(out)).toBe(timeless(shownBelow(commands.mesh)))
})

test('--from runs the probe in that agent', { timeout: patienceMs }, async () => {
  const started: string[] = []
  const env = await startCluster((played) => {
    started.push(`${played.path.split('/').at(-2)}: ${played.command.join(' ')}`)
    played.exit(0)
  })
  expect(await runPrinted(commands.from, { env })).toMatchObject({ code: 0 })
  expect(started).toEqual([expect.stringMatching(/^scout-on-node2: .* scout-probe tcp 10\.244\.1\.5:8081$/)])
})

test('--help of the agent lists its settings', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.agentHelp)
  expect(out).toContain('--interval')
  expect(code).toBe(0)
})

test('the lab lists every fault', { timeout: patienceMs }, async () => {
  const { code, out } = await runPrinted(commands.faults)
  expect(out).toContain('mtu-blackhole')
  expect(code).toBe(0)
})
