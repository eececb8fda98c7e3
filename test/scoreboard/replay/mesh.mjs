import { createAgent, intervalMs, resultOf } from './agent.mjs'
import { createChurn } from './churn.mjs'
import { createClock } from './clock.mjs'
import { hold, holdNext, isCondensed, takeCount, takeWaiting, timeOfNext } from './condense.mjs'
import { createNetwork } from './network.mjs'
import { createWatcher } from './watcher.mjs'

/** @typedef {import('./agent.mjs').Agent} Agent */
/** @typedef {import('./agent.mjs').Repeated} Repeated */
/** @typedef {import('./network.mjs').Pod} Pod */
/** @typedef {import('./trace.mjs').Trace} Trace */
/** @typedef {import('../../../packages/agent/dist/memory/series.js').Series} Series */
/** @typedef {{ readonly agent: Agent, readonly repeated: Repeated, readonly link: number, readonly series: Series | undefined }} Due */
/** @typedef {{ readonly offsetMs: number, readonly due: Due[] }} Slot what is due at one point of a cycle */
/** @typedef {ReturnType<typeof createMesh>} Mesh */

/** Intervals of all tasks, usual and of suspected links, are parts of this. */
const cycleMs = 3 * intervalMs
const watchMs = 2_000
/** The network knows of what is about to happen: attempts may be in flight then. */
const aheadMs = 10_000
/**
 * Longest time for which a failure matters to its link other than in charts and series, unless these fail longer: it times out, is delivered
 * late and held back. After a change of its agents, peers have other states for a while, too.
 */
const troubledMs = 20_000
const changedMs = 120_000
/** Calm time, and attempts in it, that are worth to be simulated in another way. */
const leastCalmMs = 1_000
const leastCalm = 1_000
/** Packets of an attempt that passes like the one before it, over UDP and otherwise. */
/** @typedef {{ returned: number, arrived?: number, lostForth?: number, duplicated: number }} Counted */
const single = { attempts: 1, spanMs: 0 }
/** @type {Counted} */
const answered = { returned: 1, arrived: 1, lostForth: 0, duplicated: 0 }
/** @type {Counted} */
const unreported = { returned: 1, duplicated: 0 }
/** What takes less time raises no alarm: it is below the margin of the chart for latency. */
const slowFromNs = 500_000

/**
 * Agents with real plans, attempts, settlement, memory, detectors, suspicion, rows, explanation and incidents, over a simulated network and
 * clock.
 *
 * Most attempts pass on a link that has been well for some time. They have no effect but on the detector of their series, which gets
 * each of them, and on its last result and number of trials, which catch up when they matter. `isThorough` takes none of these shortcuts.
 *
 * @param {object} options
 * @param {number} options.nodes
 * @param {number} options.seed
 * @param {Trace | undefined} options.trace
 * @param {boolean} [options.isThorough]
 */
export function createMesh({ nodes, seed, trace, isThorough = false }) {
  const clock = createClock()
  const network = createNetwork({ nodes, seed })
  /** @type {Map<number, { node: number, pod: Pod }>} */
  const pods = new Map()
  /** By node; undefined while its agent does not run. @type {(Agent | undefined)[]} */
  const agents = Array.from({ length: nodes }, () => undefined)
  /** @type {readonly Slot[] | undefined} */
  let schedule
  /** Tasks of `schedule`. @type {Due[]} */
  let planned = []
  /** Until when each link is in trouble, by path; the path of a node to itself is that to the name server. */
  const troubledUntilMs = new Float64Array(nodes * nodes).fill(changedMs)
  let nextWatchMs = watchMs
  let isWell = true
  let attempts = 0
  const passed = {
    ok: /** @type {const} */ (true),
    totalNs: 0,
    phasesNs: { connect: 0 },
    clock: /** @type {const} */ ({ tx: 'kernel', rx: 'kernel' }),
    detail: undefined,
    packets: answered,
    condensed: single,
  }

  const running = () => agents.filter((agent) => agent !== undefined)
  const churn = createChurn({
    clock,
    seed,
    agents,
    startPod(node) {
      const address = pods.size + 1
      const pod = { address, isAnswering: true, hasNetwork: true }
      pods.set(address, { node, pod })
      return pod
    },
    startAgent(node) {
      const agent = createAgent({
        node,
        name: `node${node + 1}`,
        seed: seed * 1_000 + node + pods.size * 7,
        podAt: (address) => pods.get(address),
        beforeTasks() {
          catchUpWith(undefined)
        },
        onTasks() {
          schedule = undefined
        },
      })
      agents[node] = agent
      return agent
    },
    beforeReport() {
      catchUpWith(undefined)
      troubledUntilMs.fill(clock.nowMs + changedMs)
    },
    endAgent(node) {
      agents[node]?.stop()
      agents[node] = undefined
      schedule = undefined
    },
  })

  const scheduled = () => {
    if (schedule !== undefined) return schedule
    /** @type {Map<number, Due[]>} */
    const slots = new Map()
    planned = []
    for (const agent of running()) {
      const series = agent.seriesOf()
      for (const repeated of agent.repeated) {
        const { of, placeMs, spacingMs, from, to, pod } = repeated
        const link = network.pathOf(from, pod === undefined ? from : to)
        const one = { agent, repeated, link, series: series.get(of) }
        planned.push(one)
        for (let offsetMs = placeMs; offsetMs < cycleMs; offsetMs += spacingMs) {
          const due = slots.get(offsetMs)
          if (due === undefined) slots.set(offsetMs, [one])
          else due.push(one)
        }
      }
    }
    schedule = [...slots].map(([offsetMs, due]) => ({ offsetMs, due })).toSorted((a, b) => a.offsetMs - b.offsetMs)
    return schedule
  }

  /** Returns what is due after a time: its position in the schedule, when that cycle begins, and when it is. */
  const dueAfter = (/** @type {number} */ atMs) => {
    const slots = scheduled()
    const offsetMs = atMs % cycleMs
    const after = slots.findIndex((slot) => slot.offsetMs > offsetMs)
    const place = Math.max(0, after)
    const startMs = atMs - offsetMs + (after < 0 ? cycleMs : 0)
    return { slots, place, startMs, atMs: startMs + (slots[place]?.offsetMs ?? 0) }
  }

  /** Returns what is due next, also after a change of the schedule. */
  const findDue = () => {
    if (due.slots !== schedule || due.atMs < clock.nowMs) due = dueAfter(clock.nowMs)
    return due
  }

  const toNextDue = () => {
    due.place++
    if (due.place === due.slots.length) {
      due.place = 0
      due.startMs += cycleMs
    }
    due.atMs = due.startMs + (due.slots[due.place]?.offsetMs ?? 0)
  }

  /** Brings the series of a link up to date, or all of them. */
  const catchUpWith = (/** @type {number | undefined} */ link) => {
    for (const { agent, series, repeated, link: of } of planned) {
      if (series !== undefined && (link === undefined || of === link)) agent.catchUp(series, repeated)
    }
  }

  /** Whether something about a link is left that only its agent can do: a failure has not arrived or is held back, or its series fails. */
  const isTroubled = (/** @type {number} */ link) => {
    const untilMs = troubledUntilMs[link] ?? 0
    if (untilMs <= 0) return false
    if (untilMs > clock.nowMs) return true
    const agent = agents[Math.floor(link / nodes)]
    const isOver =
      agent === undefined ||
      (agent.held === 0 && planned.every(({ link: of, series }) => of !== link || series?.isFailing !== true))
    troubledUntilMs[link] = isOver ? 0 : clock.nowMs + watchMs
    return !isOver
  }

  const trouble = (/** @type {number} */ link) => {
    if (!isTroubled(link)) catchUpWith(link)
    troubledUntilMs[link] = Math.max(troubledUntilMs[link] ?? 0, clock.nowMs + troubledMs)
  }

  /** Has an attempt pass that only its detector need know of. */
  const pass = (
    /** @type {Repeated} */ { unseen, task },
    /** @type {Series} */ { detector },
    /** @type {{ tookNs: number, condensed?: typeof single | undefined }} */ { tookNs, condensed = single },
  ) => {
    const count = condensed.attempts
    passed.totalNs = tookNs
    passed.phasesNs.connect = tookNs
    passed.condensed = condensed
    passed.packets = task.protocol === 'udp' ? answered : unreported
    passed.packets.returned = count
    if (passed.packets.arrived !== undefined) passed.packets.arrived = count
    unseen.count += count
    unseen.startedAtMs = clock.wallMs
    unseen.tookNs = tookNs
    detector.add(passed, unseen.startedAtMs)
    return tookNs >= slowFromNs && detector.state.slow !== undefined
  }

  const attempt = (/** @type {Due} */ { agent, repeated, link, series }) => {
    const startMs = clock.nowMs
    const fate = network.attempt(repeated, startMs, timeOfNext(repeated))
    const { reason, tookNs } = fate
    const lateMs = network.lateMs(repeated, startMs)
    attempts++
    const isTrouble = reason !== undefined || fate.retransmits > 0 || lateMs > 0
    if (isTrouble) trouble(link)
    const isAlone = !isCondensed(repeated)
    if (reason === undefined && hold(repeated, startMs, tookNs)) return
    const condensed = reason !== undefined || isAlone ? undefined : takeCount(repeated)
    if (!isTrouble && !isThorough && series !== undefined && !isTroubled(link)) {
      pass(repeated, series, { tookNs: fate.connectNs, condensed })
      return
    }
    const wallMs = clock.wallMs - startMs
    const before = reason === undefined && isAlone ? takeWaiting(repeated, wallMs) : []
    const result = resultOf(repeated, fate, { startedAtMs: clock.wallMs, condensed })
    const ended = { id: repeated.task.id, startedNs: startMs * 1e6, result }
    clock.setTimer(
      () => {
        if (agents[agent.node] !== agent) return
        if (result.ok) return agent.receive([...before, ended])
        repeated.condensed.hasFailed = true
        agent.receive([...takeWaiting(repeated, wallMs), ended])
      },
      tookNs / 1e6 + lateMs,
    )
  }

  const beginHappenings = () => {
    if (trace === undefined) return
    while (trace.nextMs <= clock.nowMs + aheadMs) {
      const happening = trace.take()
      watcher.note(happening)
      if (happening.kind === 'loss' || happening.kind === 'busy') network.begin(happening)
      else churn.begin(happening)
    }
  }

  /** Simulates everything until the next thing has happened. */
  const step = (/** @type {number} */ untilMs) => {
    beginHappenings()
    findDue()
    const nextMs = Math.min(due.atMs, nextWatchMs, untilMs)
    if (clock.nextMs <= nextMs) return clock.runNext()
    clock.moveTo(nextMs)
    if (nextMs === due.atMs) {
      for (const one of due.slots[due.place]?.due ?? []) attempt(one)
      if (due.slots === schedule) toNextDue()
      else due = dueAfter(nextMs)
    }
    if (nextMs === nextWatchMs) {
      nextWatchMs += watchMs
      network.forget(nextMs)
      isWell = watcher.watch()
    }
  }

  /** Has all attempts pass until something is about to happen. */
  const passCalmly = (/** @type {number} */ untilMs) => {
    const { slots } = findDue()
    let isSlow = false
    let calm = 0
    while (due.atMs < untilMs && !isSlow) {
      const { atMs, place } = due
      const slot = slots[place]
      const count = slot?.due.length ?? 0
      calm -= count
      if (calm < 0) calm = network.calmAttempts() - count
      if (calm < 0) break
      clock.moveTo(atMs)
      for (const { repeated, series } of slot?.due ?? []) {
        network.pass(repeated)
        if (holdNext(repeated, atMs)) continue
        const isAlone = !isCondensed(repeated)
        const tookNs = network.calmTripNs(repeated, atMs)
        if (hold(repeated, atMs, tookNs) || series === undefined) continue
        const condensed = isAlone ? undefined : takeCount(repeated)
        if (pass(repeated, series, { tookNs, condensed })) isSlow = true
      }
      attempts += count
      toNextDue()
    }
    nextWatchMs = (Math.floor(clock.nowMs / watchMs) + 1) * watchMs
    isWell = !isSlow
  }

  /** Whether all agents do until something happens is to have attempts pass. */
  const isCalm = () =>
    !isThorough && isWell && !churn.isChanging && troubledUntilMs.every((_, link) => !isTroubled(link))

  const watcher = createWatcher({ clock, agents, beforeRows: () => catchUpWith(undefined) })
  clock.during(() => churn.start())
  let due = dueAfter(0)

  return {
    network,
    get attempts() {
      return attempts
    },
    get nowMs() {
      return clock.nowMs
    },
    watcher,
    /** Simulates until then, or until it is enough. */
    run(/** @type {number} */ untilMs, /** @type {() => boolean} */ isEnough = () => false) {
      clock.during(() => {
        while (clock.nowMs < untilMs && !isEnough()) {
          const calmMs = Math.min(untilMs, clock.nextMs, (trace?.nextMs ?? Number.POSITIVE_INFINITY) - aheadMs)
          const isLong = clock.nowMs + leastCalmMs < calmMs && network.calmAttempts() > leastCalm
          if (isLong && isCalm()) passCalmly(calmMs)
          else step(untilMs)
        }
      })
    },
  }
}
