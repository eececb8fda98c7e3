import { type AnyResult, type describeProviders, idOf, outcomeOf } from '@scout/core'
import { pino } from 'pino'
import type { DiscoveryEvents } from '../discovery/choose.ts'
import type { AgentEvents } from '../events.ts'
import type { Recorded } from '../memory/series.ts'
import type { PlannedTask } from '../plan/plan.ts'
import type { LogOutput } from './log-output.ts'

/** Providers that send and time packets on this host, with a remark for each that is not the best one. */
export type Providers = ReturnType<typeof describeProviders>

/** Events of an agent and of its process. */
export interface Log extends AgentEvents, DiscoveryEvents {
  /** Called once, at startup. */
  providers(providers: Providers): void
  /** Events of nodes cannot be written, or (undefined) can be again. */
  nodeEventsTroubled(trouble: string | undefined): void
  /** Metrics do not arrive by OTLP, or (undefined) do again. */
  otlpTroubled(trouble: string | undefined): void
  /** A sentence about the configuration. */
  remark(what: string): void
  listening(consoleAddress: string): void
  stopping(signal: string): void
  stopped(): void
}

interface JsonLogOptions {
  readonly level: string
  readonly self: { readonly name: string; readonly node: string }
  readonly output: Pick<LogOutput, 'write'>
}

/** Writes one JSON object per event, with pino. */
export function createJsonLog({ level, self, output }: JsonLogOptions): Log {
  const base = { agent: self.name, node: self.node }
  const logger = pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime }, output)
  /** Names of checks already logged as unable: it is the same for every peer, and lasts as long as the process. */
  const unable = new Set<string>()

  const eventOf = createEvents()

  const attempted: Log['attempted'] = (task, result, recorded) => {
    const fields = fieldsOf(task, result)
    const { outageMs } = recorded
    const change = eventOf(task, result, recorded)
    if (!result.ok && outcomeOf(result) === 'unable') {
      if (unable.has(task.check.name)) return
      unable.add(task.check.name)
      return logger.warn(fields, 'check not possible')
    }
    if (change === 'began-failing') logger.warn(fields, 'probe failed')
    else if (change === 'recovered') logger.info({ ...fields, outageMs }, 'probe recovered')
    else logger.debug({ ...fields, recorded: recorded.change }, 'probe ended')
  }

  return {
    attempted,
    rosterChanged({ joined, left, changed }) {
      for (const peer of joined) logger.info({ peer }, 'peer joined')
      for (const { before, after } of changed) logger.info({ peer: after, before: before.state }, 'peer changed')
      for (const peer of left) logger.info({ peer }, 'peer left')
    },
    greeted: (peer, greeting) => logger.info({ peer: peer.name, peerNode: peer.node, greeting }, 'peer greeted'),
    discoveryTroubled(trouble, { source, heardAtMs }) {
      if (trouble === undefined) logger.info({ source }, 'discovery recovered')
      else logger.warn({ source, trouble, heardAtMs }, 'discovery troubled')
    },
    incidentChanged: (change, incident, sight) => logger.warn({ incident, sight }, `incident ${change}`),
    nodeEventsTroubled(trouble) {
      if (trouble === undefined) logger.info('node events recovered')
      else logger.warn({ trouble }, 'node events troubled')
    },
    historyTroubled(trouble) {
      if (trouble === undefined) logger.info('history file recovered')
      else logger.warn({ trouble }, 'history file troubled')
    },
    otlpTroubled(trouble) {
      if (trouble === undefined) logger.info('metrics export recovered')
      else logger.warn({ trouble }, 'metrics export troubled')
    },
    way: (what) => logger.info({ what }, 'path to peers chosen'),
    oddity: (what) => logger.warn({ what }, 'discovery ignored invalid data'),
    remark: (what) => logger.warn({ what }, 'configuration is odd'),
    defect: (error) => logger.error({ err: error }, 'defect in scout: please report it'),
    providers(providers) {
      const isBest = Object.values(providers).every(({ remark }) => remark === undefined)
      logger[isBest ? 'info' : 'warn']({ providers }, 'providers')
    },
    listening: (console) => logger.info({ console }, 'server listening'),
    answering: (port) => logger.info({ port }, 'responder listening'),
    stopping: (signal) => logger.info({ signal }, 'agent stopping'),
    stopped: () => logger.info('agent stopped'),
    configurationBroken: (error) => logger.error({ err: error }, 'configuration broken: the previous one stays in use'),
  }
}

/** Returns a function that tells what a result is to the log: a stream that loses a single packet, as many a network does, is no event. */
function createEvents(): (task: PlannedTask, result: AnyResult, recorded: Recorded) => Recorded['change'] {
  /** Series of which only the last attempt failed. */
  const alone = new Set<string>()
  return ({ key, perInterval = 1 }, result, { change }) => {
    const outcome = outcomeOf(result)
    const isConclusive = outcome === 'success' || outcome === 'failure'
    if (perInterval === 1 || change === 'set-aside' || !isConclusive) return change
    if (change === 'began-failing') {
      alone.add(idOf(key))
      return 'steady'
    }
    if (!alone.delete(idOf(key))) return change
    return outcome === 'failure' ? 'began-failing' : 'steady'
  }
}

function fieldsOf({ check, peer, target }: PlannedTask, result: AnyResult) {
  const { totalNs, phasesNs, clock } = result
  return {
    check: check.name,
    target,
    ...(peer === undefined ? {} : { peer: peer.name, peerNode: peer.node }),
    ...(result.ok ? { totalNs, phasesNs, clock } : { failure: result.failure }),
  }
}
