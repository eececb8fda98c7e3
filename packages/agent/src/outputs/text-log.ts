import { type AnyResult, type Family, familyOf, formatDurationNs, outcomeOf, printable, type Self } from '@scout/core'
import { formatGoDateTime, formatLogTime } from '../go-time.ts'
import type { Peer } from '../peers/peer.ts'
import { pathName, podLines } from '../peers/pod-lines.ts'
import type { RosterChange } from '../peers/roster.ts'
import type { Log } from './log.ts'

/** Phase names in the reference output; other phases keep their own name. */
const phaseTitles: Readonly<Record<string, string>> = {
  resolve: 'dns',
  connect: 'connection',
  tls: 'tls handshake',
  write: 'write request',
  server: 'server processing',
  transfer: 'content transfer',
}

/** Prints the reference output: peers by node, then each attempt with its phases line by line. */
export function createTextLog(write: (text: string) => void, self: Pick<Self, 'name'>): Log {
  const unable = new Set<string>()
  const print = (...lines: readonly string[]) => {
    const time = formatLogTime(new Date())
    // A line is one line, whatever names and messages of others are in it.
    write(lines.map((line) => `${time} ${printable(line)}\n`).join(''))
  }

  return {
    providers(providers) {
      for (const [transport, { name, remark }] of Object.entries(providers)) {
        if (remark !== undefined) print(`${transport} packets by ${name}: ${remark}`)
      }
    },
    listening: (console) => print(`server is listening at ${console}`),
    answering() {},
    rosterChanged({ joined, left, changed }, peers) {
      const isNews = joined.length > 0 || left.length > 0 || !changed.every(isFirstContact)
      if (isNews)
        print(...podLines(peers.map((peer) => (peer.isAwaited === true ? { ...peer, state: 'ready' } : peer))))
    },
    attempted({ check, peer, target, key: { family } }, result, { change, outageMs }) {
      const to = peer === undefined ? target : `${fullName(peer, family)} @ node: ${peer.node}`
      const by = check.name === 'http' ? '' : ` by ${check.name}`
      if (outcomeOf(result) === 'unable') {
        if (unable.has(check.name)) return
        unable.add(check.name)
      }
      print(
        `probing: ${self.name} -> ${to}${by}`,
        ...resultLines(result),
        ...(change === 'set-aside' ? ['    set aside: the peer was not ready'] : []),
        ...(outageMs === undefined ? [] : [`    recovered after ${formatDurationNs(outageMs * 1e6)}`]),
      )
    },
    greeted: () => {}, // no line in the reference output
    discoveryTroubled: (trouble, { source }) =>
      print(
        trouble === undefined
          ? `the list of peers is right again, from ${source}`
          : `the list of peers may be wrong: ${trouble}`,
      ),
    incidentChanged: (change, { id, cause, summary }, sight) =>
      print(`incident ${id} ${change}: ${cause}: ${summary} (${sight})`),
    nodeEventsTroubled: (trouble) =>
      print(
        trouble === undefined ? 'Events of nodes are written again' : `cannot write an Event of a node: ${trouble}`,
      ),
    historyTroubled: (trouble) => print(trouble ?? 'the file of the history is written again'),
    otlpTroubled: (trouble) => print(trouble ?? 'metrics are sent again'),
    way: (what) => print(what),
    oddity: (what) => print(what),
    remark: (what) => print(what),
    stopping: (signal) => print(`stopping on ${signal}`),
    stopped: () => print('stopped'),
    configurationBroken: ({ message }) => print(`configuration broken, the old one stays in force: ${message}`),
    defect: (error) =>
      print(
        ...`defect in scout, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`.split(
          '\n',
        ),
      ),
  }
}

/** Whether a listed peer has accepted its first connection, which its probes say as well. Agents that start together wait for each other. */
function isFirstContact({ before, after }: RosterChange['changed'][number]): boolean {
  return before.isAwaited === true && after.state === 'ready'
}

function resultLines(result: AnyResult): readonly string[] {
  const phases = Object.entries(result.phasesNs).map(
    ([phase, ns]) => `    latency ${phaseTitles[phase] ?? phase}: ${formatDurationNs(ns)}`,
  )
  const start = `    connection start: ${formatGoDateTime(new Date(result.startedAtMs))}`
  if (!result.ok) {
    const { reason, phase, message } = result.failure
    return [start, ...phases, `    failure: ${reason} in ${phase}: ${message}`]
  }
  return [
    start,
    ...phases,
    `    latency total: ${formatDurationNs(result.totalNs)}`,
    `    response: ${responseText(result)}`,
  ]
}

function responseText(result: AnyResult & { readonly ok: true }): string {
  if (result.protocol !== 'http') return JSON.stringify(result.detail)
  const { statusCode, body = '', bodyBytes } = result.detail
  return JSON.stringify({
    status: statusCode < 400 ? 'OK' : 'failed',
    statusCode,
    body: parsedOr(body, `${bodyBytes} bytes`),
  })
}

function parsedOr(text: string, otherwise: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise // a truncated or non-JSON body is shown by its size
  }
}

function fullName(peer: Peer, family: Family | undefined): string {
  return pathName(peer, peer.addresses.find((address) => familyOf(address) === family) ?? peer.addresses[0] ?? '')
}
