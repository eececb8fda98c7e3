import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Incident } from '@scout/core'
import { expect, test } from 'vitest'
import { createMesh } from './replay/mesh.mjs'
import { createTrace } from './replay/trace.mjs'

const program = fileURLToPath(new URL('main.mjs', import.meta.url))
const run = promisify(execFile)
const hourMs = 3_600_000

/** Returns what a replay of some hours prints. It fails if a fault is no incident, or if there is an incident without a fault. */
async function replayed(...more: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [program, '--replay', '--years', '0.0006', '--trials', '1', ...more])
  return stdout
}

test('simulated meshes are silent while they are healthy and report faults of their links, always the same: npm run scoreboard has years', {
  timeout: 240_000,
}, async () => {
  const first = await replayed()
  expect(first).toContain('| incidents | 0 |')
  expect(await replayed()).toBe(first)
  expect(await replayed('--seed', '2')).not.toBe(first)
})

/** A trial that is in flight when its agent learns of a change may count or not: the numbers in the evidence may differ by one. */
function essenceOf({ id, cause, scope, direction, state, severity, openedAtMs, summary }: Incident) {
  return { id, cause, scope, direction, state, severity, openedAtMs, summary }
}

test.each([
  { seed: 1, share: 0.3 },
  { seed: 3, share: 0.05 },
])(
  'a mesh in which everything happens forty times as often is silent until $share of the packets of a link are lost, the same without the shortcuts of the simulation',
  {
    timeout: 240_000,
  },
  ({ seed, share }) => {
    const nodes = 3
    const found = [false, true].map((isThorough) => {
      const mesh = createMesh({ nodes, seed, trace: createTrace({ nodes, seed, times: 40 }), isThorough })
      mesh.run(hourMs)
      expect(mesh.watcher.found).toEqual([])
      const shares = new Float64Array(nodes * nodes)
      shares[mesh.network.pathOf(0, 1)] = share
      mesh.network.begin({ kind: 'loss', fromMs: mesh.nowMs, toMs: Number.POSITIVE_INFINITY, shares, text: 'a fault' })
      mesh.run(hourMs + 120_000)
      return {
        attempts: mesh.attempts,
        alarms: mesh.watcher.alarms,
        incidents: mesh.watcher.found.map(({ incident, atMs }) => ({ ...essenceOf(incident), atMs })),
        open: mesh.watcher.open.map(essenceOf),
      }
    })
    const [quick, thorough] = found
    expect(quick?.open).toContainEqual(expect.objectContaining({ cause: 'packet-loss' }))
    expect(quick).toEqual(thorough)
  },
)
