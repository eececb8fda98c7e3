import { setTimeout as sleep } from 'node:timers/promises'
import { ageText, type Incident, type IncidentChange, nodesIn, printable } from '@scout/core'
import { backoffMs } from '../backoff.ts'
import { type ApiAccess, readJson, troubleOfRenewal } from './api.ts'
import { ApiError, isTemporary, type Resource } from './api-error.ts'

type Told = Pick<Incident, 'id' | 'cause' | 'scope' | 'severity' | 'summary' | 'openedAtMs' | 'closedAtMs'>

/** Writes incidents as Events of the nodes they concern, for `kubectl describe node` and what collects Events. */
export interface NodeEvents {
  /** Writes one Event for each node that the incident names, soon. Those of a service, name server, zone or cluster name none. */
  report(change: IncidentChange, incident: Told): void
  /** Drops what is not written yet. */
  stop(): void
}

export interface NodeEventsOptions {
  readonly access: ApiAccess
  /** Name of this agent. */
  readonly agent: string
  /** Called with why the latest Event could not be written if that is new, and with undefined when one is written after that. */
  readonly onTrouble: (trouble: string | undefined) => void
  readonly onDefect: (error: unknown) => void
  readonly timing?: Partial<Timing>
}

interface Timing {
  /** Longest wait for an answer. */
  readonly answerMs: number
  readonly retryFirstMs: number
  readonly retryMostMs: number
  /** In any span of this length, at most `mostWritten` Events are written. */
  readonly spanMs: number
  /** Age at which an Event that could not be written is dropped. */
  readonly keptMs: number
}

const usualTiming: Timing = {
  answerMs: 10_000,
  retryFirstMs: 1_000,
  retryMostMs: 60_000,
  spanMs: 60_000,
  keptMs: 600_000,
}

export const mostWritten = 30

/** Maximum number of nodes with an Event about one change: a group may be half of a large cluster, and its summary says how many. */
const mostNodes = 10

/** Maximum number of Events that wait to be written; beyond it the oldest is dropped. */
const mostWaiting = 100

/** Kubernetes accepts Events about objects without a namespace only here (ValidateEventCreate), where the kubelet's are, too. */
const events: Resource = { group: 'events.k8s.io', version: 'v1', plural: 'events', namespace: 'default' }

/** Limit of a note (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/). */
const noteMostBytes = 1024

interface Waiting {
  readonly body: object
  readonly atMs: number
}

export function createNodeEvents({ access, agent, onTrouble, onDefect, ...options }: NodeEventsOptions): NodeEvents {
  const timing = { ...usualTiming, ...options.timing }
  const stopping = new AbortController()
  const { signal } = stopping
  let waiting: readonly Waiting[] = []
  /** Monotonic clock of the latest requests. */
  let requestsMs: readonly number[] = []
  let isWriting = false
  let trouble: string | undefined

  const note = (next: string | undefined) => {
    if (next !== trouble) onTrouble(next)
    trouble = next
  }

  /** Returns why an Event was not written, if it was not. */
  const tried = async ({ body }: Waiting): Promise<ApiError | undefined> => {
    const { answerMs } = timing
    try {
      await readJson({
        access,
        resource: events,
        verb: 'create',
        query: {},
        body,
        signal,
        answerMs,
        silenceMs: answerMs,
      })
      return undefined
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return error.status === 401 ? (troubleOfRenewal(access) ?? error) : error
    } finally {
      requestsMs = [...requestsMs, performance.now()].slice(-mostWritten)
    }
  }

  const write = async () => {
    for (let failures = 0; ; ) {
      waiting = waiting.filter(({ atMs }) => performance.now() - atMs < timing.keptMs)
      const [next] = waiting
      if (next === undefined) {
        isWriting = false
        return
      }
      const [earliestMs = Number.NEGATIVE_INFINITY] = requestsMs.length < mostWritten ? [] : requestsMs
      const pauseMs = earliestMs + timing.spanMs - performance.now()
      if (pauseMs > 0) await sleep(Math.ceil(pauseMs), undefined, { signal })
      const error = await tried(next)
      note(error?.message)
      if (error !== undefined && isTemporary(error)) {
        const { retryFirstMs, retryMostMs } = timing
        const askedMs = Math.min(error.retryAfterMs ?? 0, retryMostMs)
        const backMs = backoffMs(failures++, { firstMs: retryFirstMs, mostMs: retryMostMs })
        await sleep(Math.max(askedMs, backMs), undefined, { signal })
        continue
      }
      // What was refused is dropped: the right for it is missing, and a later Event shows whether it has been granted.
      failures = 0
      waiting = waiting.filter((one) => one !== next)
    }
  }

  const run = async () => {
    if (isWriting) return
    isWriting = true
    try {
      await write()
    } catch (error) {
      isWriting = false
      if (!signal.aborted) onDefect(error)
    }
  }

  return {
    report(change, incident) {
      if (signal.aborted) return
      const atMs = performance.now()
      const bodies = nodesIn(incident.scope)
        .slice(0, mostNodes)
        .map((node) => ({ body: eventOf(change, incident, { node, agent }), atMs }))
      waiting = [...waiting, ...bodies].slice(-mostWaiting)
      void run()
    },
    stop: () => stopping.abort(),
  }
}

function eventOf(
  change: IncidentChange,
  incident: Told,
  { node, agent }: { readonly node: string; readonly agent: string },
) {
  const isNormal = change === 'closed' || incident.severity === 'informational'
  return {
    apiVersion: `${events.group}/${events.version}`,
    kind: 'Event',
    metadata: { generateName: 'scout-', namespace: events.namespace },
    // Exactly six digits, or the server cannot read it.
    eventTime: new Date().toISOString().replace('Z', '000Z'),
    reportingController: 'scout',
    reportingInstance: agent,
    action: camel(`incident-${change}`),
    reason: camel(incident.cause),
    // Events of nodes are looked up by their name as UID, too, as the kubelet writes them (kubectl describe node).
    regarding: { apiVersion: 'v1', kind: 'Node', name: node, uid: node },
    note: shortened(printable(noteOf(change, incident))),
    type: isNormal ? 'Normal' : 'Warning',
  }
}

/** `UDP is dropped: node2 -> node1 (incident e20b807f178c)` */
function noteOf(change: IncidentChange, { summary, id, openedAtMs, closedAtMs = openedAtMs }: Told): string {
  const heading = { opened: '', changed: 'changed: ', closed: `closed after ${ageText(closedAtMs - openedAtMs)}: ` }
  return `${heading[change]}${summary} (incident ${id})`
}

/** `protocol-filtered` as `ProtocolFiltered` */
function camel(words: string): string {
  return words.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function shortened(text: string): string {
  // A character that the limit cuts is left out.
  return new TextDecoder().decode(Buffer.from(text).subarray(0, noteMostBytes), { stream: true })
}
