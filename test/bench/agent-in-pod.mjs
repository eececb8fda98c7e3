// npm run bench:pods: what an agent needs in its pod with default settings, with the other nodes' agents for peers and then with more
// beside them: further agents, which probe back. Fails when it is more than Scout promises.

import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { node24 } from '../../scripts/node24.mjs'
import { chart } from '../../scripts/release/chart.mjs'
import { imageFlags, imageUsage, loadImage } from '../../scripts/test/cluster-image.mjs'
import { measureYardstick } from './agent/yardstick.mjs'

const { values } = parseArgs({
  options: {
    ...imageFlags,
    minutes: { type: 'string', default: '10' },
    peers: { type: 'string', default: '31' },
    help: { type: 'boolean', short: 'h' },
  },
})
if (values.help === true) {
  console.log(`usage: npm run bench:pods -- [options]

${imageUsage}
  --minutes NUMBER   how long each number of peers is measured (${values.minutes})
  --peers NUMBER     the larger number of peers (${values.peers}); each is an agent that probes all the others`)
  process.exit(0)
}
const most = { residentMib: 96, corePercent: 5 }
const namespace = 'scout-bench'
const moreName = 'more-agents'
const samplePauseMs = 5_000

await loadImage(values)
const node = (await node24())?.path ?? process.execPath
const yardsticks = [await measureYardstick(node)]
kubectl(['create', 'namespace', namespace])
try {
  run('helm', ['install', 'scout', chart, '--namespace', namespace, '--wait', '--timeout', '120s'])
  const agents = agentNames()
  const rows = await measured(agents, agents.length - 1)
  const more = Number(values.peers) - (agents.length - 1)
  if (more > 0) {
    kubectl(['apply', '--filename', '-'], JSON.stringify(moreAgents(more)))
    kubectl(['--namespace', namespace, 'rollout', 'status', `deployment/${moreName}`, '--timeout', '600s'])
    rows.push(...(await measured(agents, Number(values.peers))))
  }
  console.table(rows)
  const isWithin = rows.every(
    (row) => row['resident MiB'] <= most.residentMib && row['% of a core'] <= most.corePercent,
  )
  console.log(`${isWithin ? 'within' : 'more than'} ${most.residentMib} MiB and ${most.corePercent} % of a core`)
  process.exitCode = isWithin ? 0 : 1
} finally {
  run('helm', ['uninstall', 'scout', '--namespace', namespace])
  kubectl(['delete', 'namespace', namespace])
}
yardsticks.push(await measureYardstick(node))
const factors = yardsticks.map(({ factor }) => factor.toFixed(2)).join(', ')
console.log(`yardstick of this machine before and after: ${factors} (agent/yardstick.mjs)`)

/**
 * A row for each agent, once all of them have so many ready peers.
 *
 * @param {readonly string[]} agents
 * @param {number} peers
 */
async function measured(agents, peers) {
  for (let isWaiting = true; isWaiting; await sleep(1_000)) {
    isWaiting = agents.some((agent) => metricsOf(agent).value('scout_peers{state="ready"}') !== peers)
  }
  process.stderr.write(`${agents.length} agents with ${peers} peers each, for ${values.minutes} minutes …\n`)
  const startMs = performance.now()
  const before = agents.map(metricsOf)
  const peaks = agents.map(() => 0)
  do {
    await sleep(samplePauseMs)
    for (const [index, agent] of agents.entries()) {
      peaks[index] = Math.max(peaks[index] ?? 0, metricsOf(agent).value('process_resident_memory_bytes'))
    }
  } while (performance.now() - startMs < Number(values.minutes) * 60_000)
  const seconds = (performance.now() - startMs) / 1000
  return agents.map((agent, index) => {
    const after = metricsOf(agent)
    const grown = (/** @type {string} */ name) => after.value(name) - (before[index]?.value(name) ?? 0)
    return {
      agent,
      peers,
      'attempts a second': rounded(grown('scout_schedule_runs_total{outcome="started"}') / seconds),
      'own MiB': rounded(ownBytes(agent) / 2 ** 20),
      'resident MiB': rounded(after.value('process_resident_memory_bytes') / 2 ** 20),
      'at its peak': rounded((peaks[index] ?? 0) / 2 ** 20),
      '% of a core': rounded((grown('process_cpu_seconds_total') / seconds) * 100),
    }
  })
}

/**
 * What an agent says of itself, read through the API server.
 *
 * @param {string} agent
 */
function metricsOf(agent) {
  const text = kubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/pods/${agent}:8080/proxy/metrics`])
  const lines = new Map(
    text.split('\n').map((line) => /** @type {const} */ ([line.slice(0, line.lastIndexOf(' ')), line])),
  )
  return {
    /** @param {string} name with its labels */
    value: (name) => Number(lines.get(name)?.split(' ').at(-1)),
  }
}

/**
 * Memory of the container without pages of files, which pods of one image share: what its limit is about.
 *
 * @param {string} agent
 */
function ownBytes(agent) {
  const files = '/sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat' // cgroup v2, v1
  const text = kubectl(['--namespace', namespace, 'exec', agent, '--', 'sh', '-c', `cat ${files} 2>/dev/null || true`])
  return Number(/^(?:anon|total_rss) (\d+)$/m.exec(text)?.[1])
}

function agentNames() {
  const selector = ['--selector', 'app.kubernetes.io/component=agent']
  const names = kubectl(['--namespace', namespace, 'get', 'pods', ...selector, '--output', 'name'])
  return names
    .trim()
    .split('\n')
    .map((name) => name.replace('pod/', ''))
}

/**
 * Returns a Deployment of pods like those of the DaemonSet. They are behind the same Service, so all agents find each other. Its own value
 * of the component keeps them out of the measured agents.
 *
 * @param {number} replicas
 */
function moreAgents(replicas) {
  /** @type {{ spec: { template: { metadata: { labels: Record<string, string> }, spec: { containers: object[] } } } }} */
  const { spec } = JSON.parse(kubectl(['--namespace', namespace, 'get', 'daemonset/scout', '--output', 'json']))
  const { metadata, spec: pod } = spec.template
  const labels = { ...metadata.labels, 'app.kubernetes.io/component': moreName }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: moreName, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { ...metadata, labels },
        // Without requests, so that they fit on few nodes.
        spec: { ...pod, containers: pod.containers.map((container) => ({ ...container, resources: {} })) },
      },
    },
  }
}

/**
 * @param {readonly string[]} args
 * @param {string} [input]
 */
function kubectl(args, input) {
  return run('kubectl', args, input)
}

/**
 * @param {string} file
 * @param {readonly string[]} args
 * @param {string} [input]
 */
function run(file, args, input) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', input, maxBuffer: 64 << 20 })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed: ${error?.message ?? stderr}`)
  return stdout
}

/** @param {number} number */
function rounded(number) {
  return Math.round(number * 10) / 10
}
