import { afterEach, expect, test } from 'vitest'
import { agentsIn, failedLinks, missingResults, summaryOf, wrongPeers } from './support/agents.ts'
import { chart, flagsOf, install } from './support/release.ts'
import { helm, kubectl, outcomeOf } from './support/run.ts'
import { untilRight } from './support/until.ts'

const namespace = 'scout-restricted'
const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

test('a namespace that enforces "restricted" admits the restricted variant, and it probes', async () => {
  const release = await install({ namespace, labels, values: { variant: 'restricted', 'config.interval': '2s' } })
  cleanUps.push(release.remove)
  await untilRight(15_000, async () => {
    const agents = await agentsIn(namespace)
    return [...wrongPeers(agents), ...missingResults(agents, ['http', 'tcp', 'udp', 'icmp'])]
  })
  const agents = await agentsIn(namespace)
  console.log(summaryOf(agents))
  for (const { pod } of agents) {
    const events = (await kubectl('--namespace', namespace, 'logs', pod.metadata.name))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly msg: string; readonly check?: string })
    const impossible = events.filter(({ msg }) => msg === 'check not possible').map(({ check }) => check)
    // What needs a privilege is logged once for each check, and is not a failure of the network.
    expect(impossible).toEqual([...new Set(impossible)])
    expect(impossible).toContain('syn')
    expect(['syn', 'icmp', 'icmp-large']).toEqual(expect.arrayContaining(impossible))
  }
  expect(agents.flatMap(failedLinks)).toEqual([])
})

test('runs as an ordinary user without a single capability', async () => {
  const release = await install({ namespace, labels, values: { variant: 'restricted' } })
  cleanUps.push(release.remove)
  const status = await kubectl('--namespace', namespace, 'exec', 'daemonset/scout', '--', 'cat', '/proc/self/status')
  expect(status).toMatch(/^Uid:\s+65532\s/m)
  expect(status).toMatch(/^CapBnd:\s+0+$/m)
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
  expect(status).toMatch(/^Seccomp:\s+2$/m)
})

test('that namespace rejects the privileged variant, with the reason', async () => {
  await kubectl('create', 'namespace', namespace)
  cleanUps.push(() => kubectl('delete', 'namespace', namespace, '--timeout', '90s'))
  await kubectl('label', 'namespace', namespace, ...Object.entries(labels).map(([name, value]) => `${name}=${value}`))
  cleanUps.unshift(() => outcomeOf('helm', ['uninstall', 'scout', '--namespace', namespace, '--wait']))
  await helm('install', 'scout', chart, '--namespace', namespace, ...flagsOf({ variant: 'privileged' }))
  await untilRight(20_000, async () => {
    const events = await kubectl('--namespace', namespace, 'get', 'events', '--output', 'jsonpath={.items[*].message}')
    return events.includes('violates PodSecurity "restricted') ? [] : [`events: ${events}`]
  })
})
