import type { Row, SeriesReport } from '@scout/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addressesOf, agentsIn, failedLinks, missingResults, summaryOf, wrongPeers } from './support/agents.ts'
import { isReady, nodes, type Pod, podsIn } from './support/api.ts'
import { install, type Release } from './support/release.ts'
import { kubectl } from './support/run.ts'
import { untilRight } from './support/until.ts'

const namespace = 'scout-mesh'

describe('on every node, with default settings', () => {
  let release: Release
  beforeAll(async () => {
    release = await install({ namespace })
  })
  afterAll(() => release.remove())

  test('every agent finds every other and has good results of it within 15 s of the rollout, of all protocols within 35 s', async () => {
    const tookMs = await untilRight(15_000, async () => {
      const agents = await agentsIn(namespace)
      const nameless = agents
        .filter(({ row }) => !hasName(row))
        .map(({ pod }) => `${pod.metadata.name} resolved no name`)
      return [...wrongPeers(agents), ...missingResults(agents, ['http', 'syn', 'udp', 'icmp']), ...nameless]
    })
    // A full handshake every third round: up to 30 s after its peer was found, whenever the others were right.
    await untilRight(35_000 - tookMs, async () => missingResults(await agentsIn(namespace), ['tcp']))
    const agents = await agentsIn(namespace)
    console.log(`all right ${(tookMs / 1000).toFixed(1)} s after the rollout\n${summaryOf(agents)}`)
    expect(agents).toHaveLength((await nodes()).length)
    expect(agents.flatMap(failedLinks)).toEqual([])
  })

  test('has its own zone and those of its peers', async () => {
    const agents = await agentsIn(namespace)
    const zones = new Map(
      await Promise.all(
        agents.map(async ({ pod: { spec } }) => [spec.nodeName, await zoneOf(spec.nodeName ?? '')] as const),
      ),
    )
    for (const { row } of agents) {
      expect(row.self.zone).toBe(zones.get(row.self.node))
      for (const { node, zone } of row.peers) expect(zone).toBe(zones.get(node))
    }
  })

  test('lets the service account read the slices of its namespace and of cluster DNS, and nothing more', async () => {
    const anybody = rights(await canI(namespace, 'default', namespace))
    for (const where of [namespace, 'kube-system']) {
      const agent = rights(await canI(namespace, 'scout', where))
      expect(agent.filter((right) => !anybody.includes(right))).toEqual([
        'endpointslices.discovery.k8s.io [] [] [get list watch]',
      ])
    }
    expect(rights(await canI(namespace, 'scout', 'default'))).toEqual(anybody)
  })

  test('queries each pod of cluster DNS', async () => {
    const servers = (await podsIn('kube-system', 'k8s-app=kube-dns')).filter(isReady)
    expect(servers.length).toBeGreaterThan(0)
    await untilRight(35_000, async () =>
      (await agentsIn(namespace)).flatMap(({ pod, row }) => {
        const answered = new Set(row.series.filter(isOfAnsweringPod).map(({ last }) => last?.endpoint?.address))
        return servers
          .filter((server) => !addressesOf(server).some((address) => answered.has(address)))
          .map((server) => `${pod.metadata.name} has no answer of ${server.metadata.name}`)
      }),
    )
  })

  test('answers behind the virtual address of its Service, over HTTP, TCP and UDP', async () => {
    for (const command of [
      ['http', '-c', '1', `http://scout-vip.${namespace}:8081/`],
      ['tcp', '-c', '1', `scout-vip.${namespace}:8081`],
      ['udp', '-c', '1', `scout-vip.${namespace}:8081`],
    ]) {
      const output = await kubectl('--namespace', namespace, 'exec', 'daemonset/scout', '--', 'scout-probe', ...command)
      expect(output).toMatch(/ 0 % loss/)
    }
  })

  test('runs with a file system that cannot be written', async () => {
    const touch = ['node', '-e', 'require("node:fs").writeFileSync("/opt/scout/x", "")']
    await expect(kubectl('--namespace', namespace, 'exec', 'daemonset/scout', '--', ...touch)).rejects.toThrow(/EROFS/)
  })
})

test('prints the reference output in the log with log: text', async () => {
  const release = await install({ namespace, values: { 'config.log': 'text', 'config.interval': '2s' } })
  try {
    await untilRight(20_000, async () => {
      const agents = await agentsIn(namespace)
      const logs = agents.map(async ({ pod }) => {
        const log = await kubectl('--namespace', namespace, 'logs', pod.metadata.name)
        const others = agents.filter((other) => other.pod !== pod)
        const expected = [...headings, ...others.flatMap((other) => blocksAbout(other.pod, pod.metadata.name))]
        return expected
          .filter((block) => !new RegExp(`^${block}$`, 'm').test(log))
          .map((block) => `no ${block} in ${log}`)
      })
      return [...wrongPeers(agents), ...(await Promise.all(logs)).flat()]
    })
  } finally {
    await release.remove()
  }
})

const time = String.raw`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `
const headings = [`${time}server is listening at http://localhost:8080`, `${time}scout pods:`]

/** Patterns of one agent's log lines about another: its presence, and the phases of an HTTP probe. */
function blocksAbout(pod: Pod, prober: string): readonly string[] {
  const [address = ''] = addressesOf(pod)
  const peer = `${pod.metadata.name}.${namespace}.${address}`.replaceAll('.', String.raw`\.`)
  const node = pod.spec.nodeName
  return [
    `${time} {4}node: ${node}\n${time} {12}${peer}`,
    [
      `${time}probing: ${prober} -> ${peer} @ node: ${node}`,
      String.raw`    connection start: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*`,
      '    latency connection: .*s',
      '    latency write request: .*s',
      '    latency server processing: .*s',
      '    latency content transfer: .*s',
      '    latency total: .*s',
      String.raw`    response: \{"status":"OK","statusCode":200,"body":\{"message":"connected to scout","time":".*"\}\}`,
    ].join(`\n${time}`),
  ]
}

function isOfAnsweringPod({ path, state }: SeriesReport): boolean {
  return path === 'dns-pod' && state === 'ok'
}

function hasName({ series }: Row): boolean {
  return series.some(({ protocol, total }) => protocol === 'dns' && total.passed > 0)
}

async function zoneOf(node: string): Promise<string | undefined> {
  const label = '{.metadata.labels.topology\\.kubernetes\\.io/zone}'
  const zone = await kubectl('get', 'node', node, '--output', `jsonpath=${label}`)
  return zone === '' ? undefined : zone
}

function canI(namespace: string, account: string, where: string): Promise<string> {
  const who = `--as=system:serviceaccount:${namespace}:${account}`
  return kubectl('auth', 'can-i', '--list', '--no-headers', who, '--namespace', where)
}

function rights(list: string): readonly string[] {
  return list
    .trim()
    .split('\n')
    .map((line) => line.trim().replaceAll(/\s+/g, ' '))
    .toSorted()
}
