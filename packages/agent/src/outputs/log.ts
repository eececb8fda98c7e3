import { type AnyResult, type describeProviders, outcomeOf } from '@scout/core'
import { pino } from 'pino'
import type { AgentEvents } from '../agent.ts'
import type { DiscoveryEvents } from '../discovery/choose.ts'
import type { SeriesKey } from '../memory/ledger.ts'

/** What packets are sent and timed by here, with what it costs where that is not the best there is. */
export type Providers = ReturnType<typeof describeProviders>

/** What an agent says while it runs, beyond the events of its mesh. */
export interface Log extends AgentEvents, DiscoveryEvents {
  /** Said once, at the start. */
  providers(providers: Providers): void
  listening(consoleAddress: string): void
  stopping(signal: string): void
  stopped(): void
}

/** One JSON object an event, by pino, on standard output. */
export function createJsonLog(level: string, self: { readonly name: string; readonly node: string }): Log {
  const logger = pino({ level, base: { agent: self.name, node: self.node }, timestamp: pino.stdTimeFunctions.isoTime })
  /** Said once a check: it is the same for every peer, and stays so until the process is given more. */
  const incapable = new Set<string>()

  const attempted: Log['attempted'] = (key, result, recorded) => {
    const fields = fieldsOf(key, result)
    if (!result.ok && outcomeOf(result) === 'unable') {
      if (incapable.has(key.check.name)) return
      incapable.add(key.check.name)
      return logger.warn(fields, 'check not possible')
    }
    if (recorded === 'began-failing') logger.info(fields, 'probe failed')
    else if (recorded === 'recovered') logger.info(fields, 'probe recovered')
    else logger.debug({ ...fields, recorded }, 'probe ended')
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
    way: (what) => logger.info({ what }, 'way to the peers found'),
    oddity: (what) => logger.warn({ what }, 'discovery found something odd'),
    defect: (error) => logger.error({ err: error }, 'defect in scout: please report it'),
    providers(providers) {
      const isBest = Object.values(providers).every(({ remark }) => remark === undefined)
      logger[isBest ? 'info' : 'warn']({ providers }, 'providers')
    },
    listening: (console) => logger.info({ console }, 'server listening'),
    answering: (port) => logger.info({ port }, 'responder listening'),
    stopping: (signal) => logger.info({ signal }, 'agent stopping'),
    stopped: () => logger.info('agent stopped'),
    configurationBroken: (error) => logger.error({ err: error }, 'configuration broken: the old one stays in force'),
  }
}

function fieldsOf({ check, peer, target }: SeriesKey, result: AnyResult) {
  const { totalNs, phasesNs, clock } = result
  return {
    check: check.name,
    target,
    ...(peer === undefined ? {} : { peer: peer.name, peerNode: peer.node }),
    ...(result.ok ? { totalNs, phasesNs, clock } : { failure: result.failure }),
  }
}
