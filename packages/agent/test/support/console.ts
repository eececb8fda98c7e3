import type { Row } from '@scout/core'
import { onTestFinished } from 'vitest'
import { createTimeline } from '../../src/diagnosis/timeline.ts'
import { metrics } from '../../src/outputs/metrics/metrics.ts'
import { type Console, type ConsoleOptions, startConsole } from '../../src/outputs/server.ts'
import { meshViewOf } from './mesh-view.ts'
import { rowOf } from './rows.ts'

export const referenceDocument = { message: 'connected to scout', time: 'now' }

/** Returns options for the console of an agent with this row. */
export function consoleOptions(row: Row = rowOf(), parts: Partial<ConsoleOptions> = {}): ConsoleOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    node: row.self.node,
    names: ['scout-1'],
    token: '',
    metrics,
    budget: 1e9,
    row: () => row,
    mesh: () => meshViewOf(),
    history: () => ({ series: [], failures: [] }),
    changes: () => ({ links: '1', incidents: '1' }),
    speaker: () => ({ speaker: undefined, isSpeaking: false, watchers: [row.self.node] }),
    timeline: createTimeline(),
    hasPeerOn: () => true,
    ask: async () => undefined,
    health: () => ({ isAlive: true, isReady: row.isReady, knowledge: row.knowledge }),
    document: () => referenceDocument,
    onDefect(error) {
      throw error
    },
    ...parts,
  }
}

/** Starts a console until the test ends. */
export async function startTestConsole(
  row?: Row,
  parts?: Partial<ConsoleOptions>,
): Promise<Console & { readonly url: string }> {
  const console = await startConsole(consoleOptions(row, parts))
  onTestFinished(console.close)
  return { ...console, url: `http://127.0.0.1:${console.port}` }
}
