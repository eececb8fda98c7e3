import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentsIn, failedLinks, missingResults, wrongPeers } from './support/agents.ts'
import { install, type Release } from './support/release.ts'
import { kubectl } from './support/run.ts'
import { untilRight } from './support/until.ts'

const namespace = 'scout-privileges'
const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
/** linux/capability.h */
const bits = { SETGID: 1n << 6n, SETUID: 1n << 7n, NET_ADMIN: 1n << 12n, NET_RAW: 1n << 13n }

let release: Release
beforeAll(async () => {
  release = await install({ namespace, labels, values: { 'config.interval': '1s' } })
})
afterAll(() => release.remove())

test('the agent runs as an ordinary user that has NET_RAW and no other capability, and can gain none', async () => {
  const status = await inAgent('cat', '/proc/1/status')
  for (const key of ['Uid', 'Gid']) expect(status).toMatch(new RegExp(`^${key}:(\\s+65532){4}$`, 'm'))
  expect(status).toMatch(/^Groups:\s*$/m)
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
  expect(status).toMatch(/^Seccomp:\s+2$/m)
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((key) => setOf(status, key))
  expect(sets).toEqual(sets.map(() => bits.NET_RAW))
  expect(setOf(status, 'CapBnd')).toBe(bits.NET_RAW | bits.SETUID | bits.SETGID)
})

test('sees only the processes of its own pod', async () => {
  expect(await inAgent('cat', '/proc/1/cmdline')).toContain('scout-agent')
})

test('has good results of every check, and reports none as impossible', async () => {
  await untilRight(20_000, async () => {
    const agents = await agentsIn(namespace)
    return [...wrongPeers(agents), ...missingResults(agents, ['http', 'tcp', 'syn', 'udp', 'icmp'])]
  })
  const agents = await agentsIn(namespace)
  expect(agents.flatMap(failedLinks)).toEqual([])
  for (const { pod } of agents) {
    expect(await kubectl('--namespace', namespace, 'logs', pod.metadata.name)).not.toContain('check not possible')
  }
})

test('a command in the pod may use raw sockets, as the agent may', async () => {
  const output = await inAgent('scout-probe', 'icmp', '-c', '1', '127.0.0.1')
  expect(output).toMatch(/ 0 % loss/)
})

test('has the capabilities that the values list', async () => {
  await release.upgrade({ capabilities: ['NET_ADMIN'] })
  expect(setOf(await inAgent('cat', '/proc/1/status'), 'CapEff')).toBe(bits.NET_ADMIN)
})

function inAgent(...command: readonly string[]): Promise<string> {
  return kubectl('--namespace', namespace, 'exec', 'daemonset/scout', '--', ...command)
}

function setOf(status: string, key: string): bigint {
  const digits = new RegExp(`^${key}:\\s+([0-9a-f]+)$`, 'm').exec(status)?.[1]
  return digits === undefined ? -1n : BigInt(`0x${digits}`)
}
