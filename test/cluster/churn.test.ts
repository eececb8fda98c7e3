import { idOf, type Row } from '@scout/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testWith } from '../support/requirements.ts'
import {
  type AgentView,
  addressesOf,
  agentsIn,
  agentsInReach,
  countsOf,
  type Sighting,
  summaryOf,
  wrongPeers,
} from './support/agents.ts'
import { isReady, nodes, type Pod, podsIn } from './support/api.ts'
import { machinery, onControl, power, restartKubelet, signalApiServer } from './support/machinery.ts'
import { observe } from './support/observer.ts'
import { install, type Release, rolledOut } from './support/release.ts'
import { kubectl } from './support/run.ts'
import { untilRight } from './support/until.ts'

const namespace = 'scout-churn'
const interval = { 'config.interval': '1s' }
/** More rounds than a failure is held back before it counts. */
const rounds = 8
const withMachinery = testWith(machinery)

let release: Release
beforeAll(async () => {
  release = await install({ namespace, values: interval })
})
afterAll(() => release.remove())

test('a restart of all agents fails no link', async () => {
  await expectSilence(async () => {
    await kubectl('--namespace', namespace, 'rollout', 'restart', 'daemonset/scout')
    await rolledOut(namespace)
  })
})

test('a rollout takes nothing from what an agent that stays remembers of its links', async () => {
  await untilRight(30_000, rightPeers)
  const memories = new Map<string, number>()
  const lost: string[] = []
  const look = async () => {
    for (const { link, attempts } of countsOf(await agentsInReach(namespace))) {
      const before = memories.get(link) ?? 0
      if (attempts < before) lost.push(`${link} had ${before} attempts and then ${attempts}`)
      memories.set(link, attempts)
    }
  }
  const before = await agentsIn(namespace)
  const replaced = await someNode()
  await look()
  await kubectl('--namespace', namespace, 'delete', 'pod', await podOn(replaced))
  await untilRight(60_000, async () => {
    await look()
    return rightPeers()
  })
  await untilRight(30_000, async () => {
    await look()
    return slowLinks(before)
  })
  expect(lost).toEqual([])
  const stayed = (await agentsIn(namespace)).filter(({ row }) => row.self.node !== replaced)
  for (const { pod, row } of stayed) {
    const earlier = before.find((agent) => agent.pod.metadata.name === pod.metadata.name)
    const about = (series: Row['series']) => series.filter(({ to }) => to === replaced)
    expect(about(row.series).map(idOf).toSorted()).toEqual(
      about(earlier?.row.series ?? [])
        .map(idOf)
        .toSorted(),
    )
    // Ten minutes of history hold what was before the rollout and what came after it.
    for (const series of about(row.series).filter(({ socket }) => socket !== 'idle')) {
      const then = about(earlier?.row.series ?? []).find((one) => idOf(one) === idOf(series))
      expect(series.recent.passed).toBeGreaterThan(then?.recent.passed ?? 0)
    }
  }
})

test('an upgrade that changes the configuration fails no link', async () => {
  await expectSilence(() => release.upgrade({ ...interval, 'config.level': 'info' }))
})

test.each([
  ['asked to go', []],
  ['killed at once', ['--force', '--grace-period=0']],
])('a pod that is %s and replaced fails no link', async (_, flags) => {
  await expectSilence(async () => {
    const victim = await someNode()
    await kubectl('--namespace', namespace, 'delete', 'pod', await podOn(victim), ...flags)
    await rolledOut(namespace)
  })
})

test('draining a node and taking it back fails no link', async () => {
  await expectSilence(async () => {
    const node = await someNode()
    try {
      await kubectl('drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout', '90s')
      await untilRight(5_000, rightPeers)
    } finally {
      await kubectl('uncordon', node)
    }
  })
})

test('a node that loses and regains the label of Scout fails no link', async () => {
  const node = await someNode()
  await kubectl('label', 'nodes', '--all', 'scout-churn=yes')
  try {
    await release.upgrade({ ...interval, 'nodeSelector.scout-churn': 'yes' })
    await expectSilence(async () => {
      await kubectl('label', 'node', node, 'scout-churn-')
      await untilRight(30_000, async () => (await podsOn(node)).map(({ metadata }) => `${metadata.name} is there`))
      await untilRight(5_000, rightPeers)
      await kubectl('label', 'node', node, 'scout-churn=yes')
      await untilRight(30_000, async () => ((await podsOn(node)).some(isReady) ? [] : [`no agent is ready on ${node}`]))
    })
  } finally {
    await kubectl('label', 'nodes', '--all', 'scout-churn-')
    await release.upgrade(interval)
  }
})

withMachinery('a restart of a kubelet fails no link', async () => {
  await expectSilence(async () => {
    const node = await someNode()
    await restartKubelet(node)
    await kubectl('wait', '--for', 'condition=Ready', `node/${node}`, '--timeout', '60s')
  })
})

withMachinery('two minutes without the API server while a pod moves fail no link', { timeout: 400_000 }, async () => {
  await expectSilence(async () => {
    const victim = await someNode()
    const before = await agentsIn(namespace)
    const others = before.filter(({ pod }) => pod.spec.nodeName !== victim)
    await kubectl('--namespace', namespace, 'delete', 'pod', await podOn(victim), '--wait=false')
    signalApiServer('SIGSTOP')
    try {
      const stoppedMs = performance.now()
      while (performance.now() - stoppedMs < 120_000) {
        for (const { pod } of others) expect(await consoleOf(pod, '/readyz')).toContain('"status":"ok"')
      }
      for (const { pod } of others) {
        const metrics = await consoleOf(pod, '/metrics')
        console.log(
          metrics
            .split('\n')
            .filter((line) => /^scout_(discovery|peers)/.test(line))
            .join('\n'),
        )
        expect(Number(/^scout_discovery_age_seconds (.+)$/m.exec(metrics)?.[1])).toBeGreaterThan(60)
      }
    } finally {
      signalApiServer('SIGCONT')
    }
    await untilRight(60_000, async () => {
      const unready = (await nodes()).filter((node) => !isReady(node))
      return unready.map(({ metadata }) => `node ${metadata.name} is not ready`)
    })
    await rolledOut(namespace)
  })
})

withMachinery(
  'a power cut fails links to that node alone, until Kubernetes marks it',
  { timeout: 300_000 },
  async () => {
    const node = await someNode()
    const isAboutNode = ({ agentNode, peerNode }: Sighting) => agentNode === node || peerNode === node
    const failures = await expectSilence(async () => {
      await power('off', node)
      try {
        await untilRight(60_000, async () => ((await podsOn(node)).some(isReady) ? [`${node} is not marked yet`] : []))
        await untilRight(5_000, rightPeers)
        const marked = await agentsIn(namespace)
        console.log(`marked\n${summaryOf(marked)}`)
        await untilRight(30_000, () => slowLinks(marked))
        const toNode = (agents: readonly AgentView[]) => countsOf(agents).filter(({ to }) => to === node)
        expect(toNode(await agentsIn(namespace))).toEqual(toNode(marked))
      } finally {
        await power('on', node)
      }
      await kubectl('wait', '--for', 'condition=Ready', `node/${node}`, '--timeout', '90s')
      await untilRight(60_000, async () => ((await podsOn(node)).some(isReady) ? [] : [`no agent is ready on ${node}`]))
    }, isAboutNode)
    expect(failures).not.toEqual([])
  },
)

/** Makes a change and asserts that no link fails before, during or well after it. Returns the excused failures. */
async function expectSilence(change: () => Promise<void>, isExcused: (sighting: Sighting) => boolean = () => false) {
  await untilRight(30_000, rightPeers)
  const observer = observe(namespace)
  try {
    await change()
    const tookMs = await untilRight(5_000, rightPeers)
    const then = await agentsIn(namespace)
    await untilRight(60_000, () => slowLinks(then))
    console.log(`peers right ${(tookMs / 1000).toFixed(1)} s after the change\n${summaryOf(await agentsIn(namespace))}`)
  } finally {
    await observer.stop()
  }
  expect(observer.sightings.filter((sighting) => !isExcused(sighting))).toEqual([])
  return observer.sightings
}

/** Every ready agent has exactly the other ready agents for ready peers. */
async function rightPeers(): Promise<readonly string[]> {
  return wrongPeers(await agentsIn(namespace))
}

/** Sentences about links to ready peers that were not probed a few times since. */
async function slowLinks(since: readonly AgentView[]): Promise<readonly string[]> {
  const before = new Map(countsOf(since).map(({ link, attempts }) => [link, attempts]))
  const agents = await agentsIn(namespace)
  const ready = new Set(agents.map(({ row }) => row.self.node))
  return countsOf(agents)
    .filter(({ link, to, attempts }) => ready.has(to) && attempts - (before.get(link) ?? 0) < rounds)
    .map(({ link, attempts }) => `${link} was counted ${attempts} times`)
}

/** The last node, which has no part in the control plane where one node has. */
async function someNode(): Promise<string> {
  return (await nodes()).at(-1)?.metadata.name ?? expect.fail('the cluster has no node')
}

async function podsOn(node: string): Promise<readonly Pod[]> {
  const pods = await podsIn(namespace, 'app.kubernetes.io/name=scout')
  return pods.filter(({ spec }) => spec.nodeName === node)
}

async function podOn(node: string): Promise<string> {
  return (await podsOn(node)).find(isReady)?.metadata.name ?? expect.fail(`no agent is ready on ${node}`)
}

/** The console of an agent, without the API server in between. */
function consoleOf(pod: Pod, path: string): Promise<string> {
  return onControl('curl', '--silent', '--show-error', '--max-time', '5', `http://${addressesOf(pod)[0]}:8080${path}`)
}
