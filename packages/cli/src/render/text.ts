import {
  type Clocks,
  type Endpoint,
  formatDurationNs,
  formatHostPort,
  pathNs,
  type Result,
  type Statistics,
} from '@scout/core'
import type { Output } from '../shell/io.ts'
import { detailText } from './detail.ts'
import { failureText } from './failure.ts'
import type { Report } from './report.ts'
import { bareMilliseconds, fold, formatMilliseconds } from './words.ts'

interface TextRequest {
  readonly protocol: string
  readonly target: string
  /** Infinity: until Ctrl-C. */
  readonly count: number
  readonly intervalMs: number
  /** The one of several addresses that is probed. */
  readonly address?: string
}

const indent = '    '

/** Prints like ping: one line per attempt, statistics at the end. */
export function createTextReport(out: Output, request: TextRequest): Report {
  const { protocol, target, address } = request
  const place = address === undefined ? '' : ` at ${address}`
  const { colours } = out
  const line = (text: string) => {
    out.write(`${fold(text, out.columns ?? Number.POSITIVE_INFINITY, indent).join('\n')}\n`)
  }
  let shownLines = ''

  return {
    begin: () => line(`${protocol} probe of ${target}${place}${plan(request)}`),

    attempt(result, number) {
      const from = result.endpoint === undefined ? target : endpointText(result.endpoint)
      if (!result.ok) {
        const words = failureText(result.failure, { tookNs: result.totalNs, paint: colours.red })
        return line(`${from}: seq=${number} ${words}`)
      }
      const { bytes, facts, lines } = detailText(result.detail)
      line(
        [
          `${bytes === undefined ? '' : `${bytes} bytes from `}${from}: seq=${number}`,
          // First, so that folding on a narrow terminal leaves it on the first line.
          colours.green(`time=${formatMilliseconds(pathNs(result))}`),
          colours.dim(`clock=${clockText(result.clock)}`),
          ...facts,
          ...phasesText(result),
        ].join(' '),
      )
      // Repeating the list under every attempt would drown out the times.
      if (lines.join('\n') === shownLines) return
      shownLines = lines.join('\n')
      for (const item of lines) line(`${indent}${item}`)
    },

    stray: ({ kind, from, afterNs }) => {
      const when = afterNs === undefined ? '' : ` ${formatMilliseconds(afterNs)} after its request`
      const address = from.port === 0 ? from.address : formatHostPort(from.address, from.port)
      line(colours.yellow(`${address}: ${kind} answer${when}`))
    },

    end(statistics, waitingCount) {
      line('')
      line(colours.bold(`--- ${target}${place} ${protocol} statistics ---`))
      line(countsText(statistics, waitingCount))
      const failures = Object.entries(statistics.failures)
      if (failures.length > 0)
        line(colours.red(`failures: ${failures.map(([reason, n]) => `${n} ${reason}`).join(', ')}`))
      if (statistics.timesNs !== undefined) line(timesText(statistics.timesNs))
    },
  }
}

function plan({ count, intervalMs }: TextRequest): string {
  if (count === 1) return ''
  const times = count === Number.POSITIVE_INFINITY ? 'until Ctrl-C' : `${count} times`
  return `, ${times}, every ${formatDurationNs(intervalMs * 1e6)}`
}

function endpointText({ host, address, port, addressCount = 1 }: Endpoint): string {
  const place = port === undefined ? address : formatHostPort(address, port)
  const others = addressCount === 1 ? '' : `, 1 of ${addressCount} addresses`
  return host === address ? place : `${host} (${place}${others})`
}

/** Returns the phases if there is more than one. */
function phasesText({ phasesNs }: Result): readonly string[] {
  const phases = Object.entries(phasesNs).flatMap(([phase, ns]) => (ns === undefined ? [] : [{ phase, ns }]))
  return phases.length < 2 ? [] : [`(${phases.map(({ phase, ns }) => `${phase} ${bareMilliseconds(ns)}`).join(', ')})`]
}

function clockText({ tx, rx }: Clocks): string {
  return tx === rx ? tx : `${tx}/${rx}`
}

function countsText(
  { sent, received, lossRatio, packets, inconclusive, ...strays }: Statistics,
  waitingCount: number,
): string {
  return [
    ...(packets === undefined
      ? [`${sent + waitingCount} sent`, `${received} received`, ...(sent === 0 ? [] : [`${percent(lossRatio)} loss`])]
      : [
          `${packets.sent} packets sent`,
          `${packets.returned} answered`,
          `${percent((packets.sent - packets.returned) / packets.sent)} loss`,
        ]),
    ...(['duplicates', 'late', 'foreign'] as const).flatMap((kind) =>
      strays[kind] === 0 ? [] : [`${strays[kind]} ${kind}`],
    ),
    ...(inconclusive === 0 ? [] : [`${inconclusive} inconclusive`]),
    ...(waitingCount === 0 ? [] : [`${waitingCount} still waiting`]),
  ].join(', ')
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(1))} %`
}

function timesText(times: NonNullable<Statistics['timesNs']>): string {
  return `${Object.keys(times).join('/')} = ${Object.values(times).map(bareMilliseconds).join('/')} ms`
}
