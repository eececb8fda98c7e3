import { catalogue, idOf, makeCheck } from '@scout/core'
import { createAttempts } from '../../../packages/agent/dist/attempts.js'
import { createMemory } from '../../../packages/agent/dist/memory/memory.js'
import { rowOf } from '../../../packages/agent/dist/memory/row.js'
import { planTasks } from '../../../packages/agent/dist/plan/plan.js'
import { createPlacement } from '../../../packages/core/dist/attempt/placement.js'
import { createStreamOrder } from '../../../packages/core/dist/attempt/stream-order.js'
import { hostIn } from '../../../packages/core/dist/model/target.js'
import { timeoutMs } from './network.mjs'

/** @typedef {import('./network.mjs').Pod} Pod */
/** @typedef {import('./network.mjs').Sending} Sending */
/** @typedef {import('@scout/core').Task} Task */
/** @typedef {import('@scout/core').Row} Row */
/** @typedef {import('@scout/core').AnyResult} AnyResult */
/** @typedef {import('../../../packages/agent/dist/peers/roster.js').KnownPeer} KnownPeer */
/** @typedef {import('../../../packages/agent/dist/memory/series.js').Series} Series */
/** @typedef {{ readonly host: string, readonly address: string, readonly family: 'ipv4' | 'ipv6' }} Endpoint */
/**
 * A task, with the planned one of which it has attempts, when in its interval it is due, and the packets lost since the last answer, which the next one reports if it is of STAMP.
 * @typedef {Sending & { readonly task: Task, readonly of: string, readonly placeMs: number, readonly spacingMs: number, readonly endpoint: Endpoint, unseen: Unseen, readonly lost: { forth: number, back: number }, readonly condensed: Condensed }} Repeated
 */
/**
 * Answers of a stream that the packet engine will report together: most of them, how many there are, start of the first and the last, and
 * their time, which changes with each report. After a failure, it reports at once.
 * @typedef {{ readonly most: number, count: number, firstMs: number, lastMs: number, tookNs: number | undefined, hasFailed: boolean }} Condensed
 */
/**
 * Attempts that passed and that only the detector of their series has had: how many, and start and time of the last.
 * @typedef {{ count: number, startedAtMs: number, tookNs: number }} Unseen
 */
/** @typedef {ReturnType<typeof createAgent>} Agent */

export const intervalMs = 10_000
const settleMs = 5_000
const families = /** @type {const} */ (['ipv4', 'ipv6'])
const nameServer = '10.96.0.10'
const checks = catalogue.map((check) =>
  makeCheck(
    check.protocol === 'dns' ? { ...check, target: `kubernetes.default.svc.cluster.local@${nameServer}` } : check,
    {
      intervalMs,
    },
  ),
)

/** @type {Readonly<Record<string, Sending['kind']>>} */
const kinds = { http: 'request', tcp: 'connection', syn: 'echo', icmp: 'echo', udp: 'packet', dns: 'packet' }

/** Number of a result that an order of a stream has only to know. */
const known = -1
const counters = { started: 0, late: 0, skipped: 0, lost: 0, inFlight: 0, waiting: 0, dropped: 0 }
const never = () => {
  throw new Error('a simulated vantage does only what its tasks say')
}

/**
 * Adds to a series what only its detector has had. As memory does: a series that passes, and passed before, has one trial more and
 * another last result. Returns that.
 */
function catchUp(/** @type {Series} */ series, /** @type {Repeated} */ repeated) {
  const { unseen, of } = repeated
  const { tookNs, startedAtMs } = unseen
  const fate = { reason: undefined, tookNs, connectNs: tookNs, retransmits: 0, lost: undefined }
  const result = resultOf(repeated, fate, { startedAtMs })
  Object.assign(series, { trials: series.trials + unseen.count })
  unseen.count = 0
  // Further attempts of a suspected link have passed, too.
  if (startedAtMs >= (series.last?.startedAtMs ?? 0)) {
    const latest = new Map(series.latest).set(of, result)
    Object.assign(series, { last: result, latest, succeededAtMs: startedAtMs })
  }
  return result
}

/** Returns the addresses of a pod, which tell its number. */
export function addressesOf(/** @type {number} */ pod) {
  return [`10.244.${pod >> 8}.${pod & 255}`, `fd00::${pod.toString(16)}`]
}

function isStream(/** @type {Task} */ { perInterval = 1 }) {
  return perInterval > 1
}

/** Returns the id of the planned task: further attempts of it, on a suspected link, have that and their interval in theirs. */
function plannedOf(/** @type {Task} */ { id }) {
  const [planned, ...more] = JSON.parse(id)
  return more.length === 1 ? String(planned) : id
}

/** Returns the number of the pod that has this address. */
function podAt(/** @type {string} */ address) {
  if (address.includes(':')) return Number.parseInt(address.replace(/^.*:/, ''), 16)
  const [high, low] = address.split('.').slice(2).map(Number)
  return ((high ?? 0) << 8) + (low ?? 0)
}

/**
 * An agent as it is, except that its packets are simulated and that it neither looks for peers nor serves anything.
 *
 * @param {object} options
 * @param {number} options.node
 * @param {string} options.name
 * @param {number} options.seed
 * @param {(address: number) => { node: number, pod: Pod } | undefined} options.podAt
 * @param {() => void} options.beforeTasks called before it has other tasks
 * @param {() => void} options.onTasks called when it has other tasks than before
 */
export function createAgent({ node, name, seed, podAt: findPod, beforeTasks, onTasks }) {
  const startedAtMs = Date.now()
  const memory = createMemory()
  /** @type {Map<string, KnownPeer>} */
  const peers = new Map()
  const placement = createPlacement(((seed >>> 0) % 86_400_000) * 1e6)
  /** @type {Map<string, Repeated>} */
  let repeated = new Map()
  /** @type {Map<string, import('../../../packages/core/dist/attempt/stream-order.js').StreamOrder>} */
  const orders = new Map()
  /** @type {ReturnType<typeof planTasks>} */
  let tasks = []

  const repeatedOf = (/** @type {Task} */ task) => {
    const known = repeated.get(task.id)
    if (known !== undefined && known.task.perInterval === task.perInterval) return known
    const address = hostIn(task.target.replace(/^.*@/, ''))
    const found = address === nameServer ? { node: 0, pod: undefined } : findPod(podAt(address))
    if (found === undefined) throw new Error(`there is no pod at ${address}`)
    const isLarge = task.target.includes('size=')
    const isByTcp = task.options !== undefined && 'transport' in task.options && task.options.transport === 'tcp'
    const { intervalMs, perInterval: most = 1 } = task
    const spacingMs = intervalMs / most
    /** @type {Repeated} */
    const one = {
      task,
      of: plannedOf(task),
      placeMs: (placement(task).placeNs / 1e6) % spacingMs,
      spacingMs,
      endpoint: { host: address, address, family: address.includes(':') ? 'ipv6' : 'ipv4' },
      from: node,
      to: found.node,
      pod: found.pod,
      kind: isLarge ? 'large request' : isByTcp ? 'request' : (kinds[task.protocol] ?? 'packet'),
      unseen: { count: 0, startedAtMs: 0, tookNs: 0 },
      lost: { forth: 0, back: 0 },
      condensed: { most, count: 0, firstMs: 0, lastMs: 0, tookNs: undefined, hasFailed: true },
    }
    return one
  }

  const orderOf = (/** @type {Task} */ { id, intervalMs, perInterval = 1 }) =>
    createStreamOrder({
      spacingNs: (intervalMs / perInterval) * 1e6,
      timeoutMs,
      pass({ number, startedNs, result }) {
        if (number !== known) attempts.receive([{ id, startedNs, result: /** @type {AnyResult} */ (result) }])
      },
    })

  const prober = {
    async setTasks(/** @type {readonly Task[]} */ next) {
      beforeTasks()
      repeated = new Map(next.map((task) => [task.id, repeatedOf(task)]))
      for (const [id, order] of orders) {
        if (repeated.has(id)) continue
        order.stop()
        orders.delete(id)
      }
      for (const task of next) if (isStream(task) && !orders.has(task.id)) orders.set(task.id, orderOf(task))
      onTasks()
    },
    probe: never,
    openSession: never,
    schedule: () => counters,
    close: never,
  }
  /** @type {Promise<never>} */
  const failed = new Promise(() => {})
  const vantage = {
    prober,
    hasThread: true,
    port: 0,
    counters: () => ({}),
    arrivals: () => new Map(),
    silentMs: () => 0,
    failed,
    close: never,
  }
  const attempts = createAttempts({
    vantages: { all: () => [['pod', vantage]] },
    memory,
    settleMs,
    peerOf: (id) => peers.get(id),
    onAttempted() {},
    onDefect(error) {
      throw error
    },
  })

  return {
    node,
    name,
    memory,
    peers,
    get repeated() {
      return repeated.values()
    },
    /** Plans for its peers as they are now. */
    plan() {
      tasks = planTasks({ checks, peers: peers.values(), families: new Set(families), from: name })
      attempts.setTasks(tasks)
    },
    /** Number of its results that are held back. */
    get held() {
      return attempts.held
    },
    /** Has the series of a task, and the order of its stream, go on after the attempts that only its detector has had. */
    catchUp(/** @type {Series} */ series, /** @type {Repeated} */ repeated) {
      const { unseen, task } = repeated
      if (unseen.count === 0) return
      const startedNs = (performance.now() - Date.now() + unseen.startedAtMs) * 1e6
      const result = catchUp(series, repeated)
      if (!isStream(task)) return
      orders.get(task.id)?.stop()
      const order = orderOf(task)
      orders.set(task.id, order)
      order.add({ number: known, startedNs, result })
    },
    disturb: attempts.disturb,
    /** As of the packet engine, results of a stream are passed on in the order of their starts. */
    receive(/** @type {readonly import('@scout/core').TaskResult[]} */ results) {
      for (const { id, startedNs, result } of results) {
        const order = orders.get(id)
        if (order === undefined) attempts.receive([{ id, startedNs, result }])
        else order.add({ number: 0, startedNs, result })
      }
    },
    stop: attempts.stop,
    /** Returns the series that a planned task feeds. */
    seriesOf() {
      const byKey = new Map([...memory.series].map((series) => [idOf(series.key), series]))
      return new Map(tasks.map(({ id, key }) => [id, byKey.get(idOf(key))]))
    },
    /** @returns {Row} */
    row() {
      const nothing = { answered: 0, malformed: 0, silent: 0, unreached: 0 }
      return {
        ...rowOf({
          takenAtMs: Date.now(),
          startedAtMs,
          self: { name, node: name, addresses: [], nodeAddresses: [], version: 'simulated' },
          isReady: true,
          families: new Set(families),
          checks,
          settleMs,
          tasks,
          sample: new Set(tasks.flatMap(({ key: { to } }) => to ?? [])),
          roster: { peers, knowledge: { source: 'a simulation', heardAtMs: Date.now() } },
          memory,
          vantages: [],
          arrivals: [],
          schedule: counters,
          lateness: undefined,
          held: attempts.held,
          greetings: nothing,
          collected: [],
          diagnosis: { isSpeaking: false, rows: 0, ready: 0, incidents: [], sent: {}, received: {} },
        }),
        console: { answered: 0, rejected: 0, unsent: 0 },
        logLinesLost: 0,
      }
    },
  }
}

const ofConnection = { tx: 'kernel', rx: 'tcp-info' }
const ofPackets = { tx: 'kernel', rx: 'kernel' }

/** Returns the result of an attempt. @returns {AnyResult} */
export function resultOf(
  /** @type {Repeated} */ { task: { protocol, target }, kind, endpoint, lost: earlier },
  /** @type {import('./network.mjs').Fate} */ { reason, tookNs, connectNs, retransmits, lost },
  /** @type {{ startedAtMs: number, condensed?: { readonly attempts: number, readonly spanMs: number } | undefined }} */
  { startedAtMs, condensed },
) {
  const isConnection = kind !== 'packet' && kind !== 'echo'
  const measured = {
    protocol,
    target,
    endpoint,
    startedAtMs,
    phasesNs: isConnection ? { connect: connectNs } : {},
    totalNs: tookNs,
    clock: isConnection ? ofConnection : ofPackets,
    ...(protocol === 'udp'
      ? { packets: packetsOf(earlier, { isAnswered: reason === undefined, lost, sent: condensed?.attempts ?? 1 }) }
      : {}),
  }
  const message =
    reason === 'timeout' ? `no answer within ${timeoutMs} ms` : 'the endpoint answered that nothing is listening'
  const result =
    reason === undefined
      ? {
          ...measured,
          ok: true,
          detail: retransmits === 0 ? {} : { synRetransmits: retransmits },
          ...(condensed === undefined ? {} : { condensed }),
        }
      : { ...measured, ok: false, failure: { reason, phase: isConnection ? 'connect' : 'wait', message } }
  return /** @type {AnyResult} */ (/** @type {unknown} */ (result))
}

/**
 * Counts the packet of an attempt as a sender of STAMP does: an answer reports what was lost since the one before.
 *
 * @param {Repeated['lost']} earlier
 * @param {{ isAnswered: boolean, lost: 'forth' | 'back' | undefined, sent: number }} fate
 */
function packetsOf(earlier, { isAnswered, lost, sent }) {
  const { forth, back } = earlier
  if (lost !== undefined) earlier[lost]++
  if (!isAnswered) return { sent, returned: 0, duplicated: 0, reordered: 0, late: 0 }
  Object.assign(earlier, { forth: 0, back: 0 })
  return { sent, arrived: sent + back, lostForth: forth, returned: sent, duplicated: 0, reordered: 0, late: 0 }
}
