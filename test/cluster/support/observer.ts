import { setTimeout as pause } from 'node:timers/promises'
import { type AgentView, agentsInReach, failedLinks, type Sighting } from './agents.ts'
import { get } from './api.ts'

/** Watches every agent of a namespace, across restarts and replacements. */
export interface Observer {
  readonly agents: readonly AgentView[]
  /** Every link that failed while this watched. */
  readonly sightings: readonly Sighting[]
  stop(): Promise<void>
}

/**
 * Reads every agent's snapshot twice a second and follows every agent's log, in which a failure stands even when the agent, or the series
 * it counted in, is gone before the next look.
 */
export function observe(namespace: string): Observer {
  const stopping = new AbortController()
  const followed = new Map<string, Promise<void>>()
  const seen = new Map<string, Sighting>()
  let agents: readonly AgentView[] = []
  const note = (sighting: Sighting) => seen.set(sighting.key, sighting)

  const look = async () => {
    while (!stopping.signal.aborted) {
      // Between two looks a pod may have gone, or the API server may be unreachable: the next look shows.
      agents = await agentsInReach(namespace).catch(() => agents)
      for (const agent of agents) {
        for (const sighting of failedLinks(agent)) note(sighting)
        const { uid, name } = agent.pod.metadata
        if (followed.has(uid)) continue
        const log = {
          path: `/api/v1/namespaces/${namespace}/pods/${name}/log?follow=true`,
          signal: stopping.signal,
          note,
        }
        // A stream that broke off, as when the kubelet restarts, is read once more from the beginning.
        followed.set(
          uid,
          follow(log).finally(() => followed.delete(uid)),
        )
      }
      await pause(500, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const looking = look()

  return {
    get agents() {
      return agents
    },
    get sightings() {
      return [...seen.values()]
    },
    async stop() {
      stopping.abort()
      await Promise.all([looking, ...followed.values()])
    },
  }
}

interface Log {
  readonly path: string
  readonly signal: AbortSignal
  readonly note: (sighting: Sighting) => void
}

interface LogLine {
  readonly msg: string
  readonly agent: string
  readonly node: string
  readonly peerNode?: string
}

/** Reads an agent's log to its end. */
async function follow({ path, signal, note }: Log): Promise<void> {
  let rest = ''
  try {
    const { body } = await get(path, signal)
    for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = `${rest}${text}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        // What is no event is Node's, or a program's, last word.
        if (!line.startsWith('{')) {
          note({ key: line, agentNode: '', peerNode: '', text: line })
          continue
        }
        const { msg, agent, node, peerNode } = JSON.parse(line) as LogLine
        if (msg === 'probe failed' && peerNode !== undefined) {
          note({ key: `log of ${agent} ${line}`, agentNode: node, peerNode, text: line })
        }
      }
    }
  } catch (error) {
    // Otherwise the stream broke off: its pod or node went, or this watcher was stopped.
    if (error instanceof SyntaxError) throw error
  }
}
