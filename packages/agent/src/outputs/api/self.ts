import { describeMeans, type ProcessMeans, type Row } from '@scout/core'
import type { MeshView } from '../../diagnosis/diagnosis.ts'
import { sightOf } from '../mesh-documents.ts'
import type { SelfDocument } from './schemas.ts'

/** Returns a function that makes the document at /api/v1/self. What this process may do is tried once. */
export function createSelfDocument(): (row: Row, mesh: MeshView) => SelfDocument {
  let means: ProcessMeans | undefined
  return (row, mesh) => {
    means ??= describeMeans()
    const { takenAtMs, startedAtMs, self, isReady, knowledge, schedule, lateness, history, peers, diagnosis } = row
    return {
      takenAtMs,
      startedAtMs,
      uptimeMs: Math.max(0, takenAtMs - startedAtMs),
      self,
      isReady,
      knowledge,
      schedule,
      lateness,
      history,
      peers: countsByState(peers),
      watchers: mesh.watchers,
      ...sightOf(mesh),
      abilities: means.abilities,
      probes: means.probes.map(({ protocol, means, clocks, obstacle, remark }) => ({
        protocol,
        means,
        clocks,
        obstacle: obstacle?.message,
        remark,
      })),
      evidence: { sent: diagnosis.sent, received: diagnosis.received },
      console: row.console,
      logLinesLost: row.logLinesLost,
    }
  }
}

function countsByState(peers: Row['peers']): Readonly<Record<string, number>> {
  const counts: Record<string, number> = { starting: 0, ready: 0, leaving: 0 }
  for (const { state } of peers) counts[state] = (counts[state] ?? 0) + 1
  return counts
}
