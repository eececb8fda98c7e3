import { type MtuDetail, type Packets, printable, type Result, type ResultOf } from '@scout/core'
import type { Output } from '../shell/io.ts'
import { failureText } from './failure.ts'
import type { Report } from './report.ts'
import { fold, formatMilliseconds } from './words.ts'

interface MtuRequest {
  readonly target: string
  /** The one of several addresses that is probed. */
  readonly address?: string
}

const indent = '    '

/** Prints what a search found: first the verdict in a sentence, then the facts behind it, one on each line. */
export function createMtuReport(out: Output, { target, address }: MtuRequest): Report {
  const { colours, columns } = out
  const line = (text: string) => out.write(`${fold(text, columns ?? Number.POSITIVE_INFINITY, indent).join('\n')}\n`)
  return {
    begin: () => line(`path MTU to ${target}${address === undefined ? '' : ` at ${address}`}`),
    attempt(result) {
      if (!isMtuResult(result)) return
      const { ok, totalNs } = result
      if (ok)
        line(`${colours.green(result.detail.verdict)} after ${formatMilliseconds(totalNs)}: ${result.detail.says}`)
      else line(failureText(result.failure, { tookNs: totalNs, paint: colours.red }))
      for (const fact of mtuFacts(result)) line(`${indent}${fact}`)
    },
    stray() {},
    end() {},
  }
}

function isMtuResult(result: Result): result is ResultOf<'mtu'> {
  return result.protocol === 'mtu'
}

/** Returns the facts about a path, one on each line after its name. Empty if nothing is known. */
function mtuFacts({ detail, packets }: Pick<ResultOf<'mtu'>, 'detail' | 'packets'>): readonly string[] {
  if (detail === undefined || !isWhole(detail)) return []
  const { verdict, pathMtu, interfaceMtu, knownMtu, forward, back, reports, tcp, askedBy, unknown } = detail
  const how = verdict === 'reported' ? 'are reported as too big' : 'vanish'
  const rows: readonly (readonly [string, string])[] = [
    ['path MTU', `${pathMtu} bytes (interface ${interfaceMtu} bytes, this host sends at most ${knownMtu} bytes)`],
    ['forward', directionText(forward, how)],
    ['back', back === undefined ? 'not tested' : directionText(back, how)],
    ...(reports.length === 0
      ? [['reports', 'no ICMP error "too big" arrived'] as const]
      : reports.map(({ type, code, from, mtu }) => reportRow(from, { type, code, mtu }))),
    ...(tcp === undefined ? [] : [['TCP', tcpText(tcp)] as const]),
    ['asked by', `${askedBy.join(', ')}${packetsText(packets)}`],
    ...unknown.map((what) => ['unknown', printable(what)] as const),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`)
}

function isWhole(detail: Partial<MtuDetail>): detail is MtuDetail {
  return detail.says !== undefined
}

function directionText({ passes, fails }: MtuDetail['forward'], how: string): string {
  return fails === undefined ? `${passes} bytes pass` : `${passes} bytes pass, ${fails} bytes ${how}`
}

function reportRow(
  from: string,
  { type, code, mtu }: { readonly type: number; readonly code: number; readonly mtu: number | undefined },
): readonly [string, string] {
  const passes = mtu === undefined ? 'without an MTU' : `next-hop MTU ${mtu} bytes`
  return ['reports', `${from} sent ICMP type ${type} code ${code}, ${passes}`]
}

function tcpText({ forward, back, sentSegmentBytes, receivedSegmentBytes }: NonNullable<MtuDetail['tcp']>): string {
  return `forward ${forward}${segmentText(sentSegmentBytes)}, back ${back}${segmentText(receivedSegmentBytes)}`
}

function segmentText(bytes: number | undefined): string {
  return bytes === undefined ? '' : ` (segments of ${bytes} bytes)`
}

function packetsText(packets: Packets | undefined): string {
  return packets === undefined ? '' : `; ${packets.sent} packets sent, ${packets.returned} answered`
}
