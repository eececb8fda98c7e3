import type { AnyResult } from '../../probes/index.ts'
import type { MtuDetail } from '../../probes/mtu.ts'
import { failureIn, type Proof, packetsSent } from './proof.ts'

/** The path MTU in both directions, and whether anything reports it. */
export const mtu: Proof = {
  subject: 'the largest packet',
  summary: 'find the largest packet that passes in each direction, and whether a router reports larger ones',
  rounds: 1,
  attempts: () => [{ protocol: 'mtu', options: {} }],
  read(results) {
    const packets = packetsSent(results)
    const detail = results.map(detailOf).find(({ says }) => says !== undefined)
    if (detail?.says === undefined) return { says: failureIn(results), packets, values: {} }
    const { says, verdict, pathMtu, interfaceMtu, forward, back } = detail
    return {
      says,
      shows: verdict === 'black-hole' ? 'silent' : 'passes',
      packets,
      values: { verdict, pathMtu, interfaceMtu, forward, back },
    }
  },
}

function detailOf(result: AnyResult): Partial<MtuDetail> {
  return result.protocol === 'mtu' ? (result.detail ?? {}) : {}
}
