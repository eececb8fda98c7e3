import { type Check, type Family, systemNameServers } from '@scout/core'
import type { DnsPods } from '../peers/dns-pods.ts'
import type { Roster } from '../peers/roster.ts'
import { createPaced } from './paced.ts'
import { type PlannedTask, planTasks } from './plan.ts'
import { rotationMs, sampleNodes } from './sample.ts'

interface PlanningOptions {
  readonly checks: readonly Check[]
  /** Most nodes to probe. */
  readonly probedNodes: number
  readonly families: ReadonlySet<Family>
  /** Node of this agent. */
  readonly node: string
  readonly roster: Pick<Roster, 'peers' | 'knowledge'>
  readonly dnsPods: Pick<DnsPods, 'asked' | 'refresh'>
  /** Returns the nodes on whose links something fails, or is lossy or slow. */
  readonly failing: () => ReadonlySet<string | undefined>
  readonly onPlan: (tasks: readonly PlannedTask[]) => void
}

/** How often the name servers of this host are read. Those of a pod do not change. */
const lookMs = 10_000

/** What an agent attempts, planned again whenever what it depends on changes. */
export interface Planning {
  readonly tasks: readonly PlannedTask[]
  /** Nodes that are probed. */
  readonly sample: ReadonlySet<string>
  /** Plans again, soon. */
  request(): void
  /** Plans again, at once. */
  hurry(): void
  stop(): void
}

export function createPlanning(options: PlanningOptions): Planning {
  const { checks, probedNodes, families, node: from, roster, dnsPods, failing, onPlan } = options
  let tasks: readonly PlannedTask[] = []
  let sample: ReadonlySet<string> = new Set()
  const nameServers = systemNameServers()
  let servers: readonly string[] = []
  let isStopped = false
  /** The agents that started together with this one, of which a service may be made, listen or have had the time to. */
  let haveListened = false

  const plan = () => {
    if (isStopped) return
    const peers = [...roster.peers.values()]
    const isAwaiting = peers.some(({ isAwaited }) => isAwaited === true)
    haveListened ||= roster.knowledge.heardAtMs !== 0 && !isAwaiting
    const isEarly = isAwaiting && !haveListened
    const failingNodes = failing()
    const isFailing = (node: string) => failingNodes.has(node)
    sample = sampleNodes({ peers, from, most: probedNodes, atMs: Date.now(), isFailing })
    const sampled = peers.filter(({ node }) => sample.has(node))
    servers = nameServers()
    dnsPods.refresh()
    tasks = planTasks({
      checks,
      peers: sampled,
      nameServers: servers,
      dnsPods: dnsPods.asked.values(),
      families,
      from,
      isEarly,
    })
    onPlan(tasks)
  }

  const paced = createPaced(plan)
  // A large mesh is probed in turns.
  const turning = setInterval(paced.request, rotationMs).unref()
  const looking = setInterval(() => {
    if (nameServers().join() !== servers.join()) paced.request()
  }, lookMs).unref()

  return {
    get tasks() {
      return tasks
    },
    get sample() {
      return sample
    },
    request: paced.request,
    hurry: paced.hurry,
    stop() {
      isStopped = true
      paced.stop()
      clearInterval(turning)
      clearInterval(looking)
    },
  }
}
