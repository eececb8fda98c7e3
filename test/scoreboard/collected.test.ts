import { describe, expect, onTestFinished } from 'vitest'
import { labNeeds } from '../lab/test/support/namespaces.ts'
import { testWith } from '../support/requirements.ts'
import { openMesh } from './mesh.mjs'
import { settle } from './trial.mjs'
import { watchMesh } from './watch.mjs'

const settleMs = 90_000

describe('agents collect what proves an incident, and say it with its evidence', { timeout: 400_000 }, () => {
  testWith(...labNeeds)('the size and the direction of a black hole, to the byte', async () => {
    const { lab, until } = await startMesh()
    await lab.inject('mtu-blackhole', { from: 1, to: 2, direction: 'forward', size: 1378 })
    const [incident] = await until(
      ({ evidence }) => hasLine(evidence, 'mtu from node1 to node2 ') && hasLine(evidence, 'mtu from node2 to node1 '),
    )
    const lines = incident?.evidence.filter((line) => line.startsWith('mtu from '))
    expect(
      lines?.toSorted().map((line) => line.replace(/ over IPv[46]: (.*) (10\.244|fd)[.\w:]+/, ': $1 POD')),
    ).toEqual([
      'mtu from node1 to node2: packets larger than 1378 bytes vanish on the way to POD, while 1500 bytes pass back, and no router reports it',
      'mtu from node2 to node1: packets larger than 1378 bytes vanish on the way back from POD, while 1500 bytes pass to it, and no router reports it',
    ])
    expect(incident).toMatchObject({ cause: 'mtu-black-hole', scope: { kind: 'link', from: 'node1', to: 'node2' } })
    expect(incident?.summary).toContain('packets larger than 1378 bytes vanish')
  })

  testWith(...labNeeds)('the limit that large packets meet, which otherwise looks like loss', async () => {
    const { lab, until } = await startMesh()
    await lab.inject('policing', { from: 1, to: 2, load: 4 })
    const [incident] = await until(
      ({ cause, evidence }) => cause === 'bandwidth-limited' && hasLine(evidence, 'train from node1 to node2 '),
    )
    expect(incident?.scope).toEqual({ kind: 'link', from: 'node1', to: 'node2' })
    expect(incident?.evidence.join('\n')).toMatch(
      /^train from node[12] to node[12] over IPv[46]: (of )?large packets sent together .*the last \d+ of 32 are lost$/m,
    )
  })

  testWith(...labNeeds)('the flows that a broken path loses, which otherwise look like random loss', async () => {
    const { lab, until } = await startMesh()
    await lab.inject('flow-loss', { from: 1, to: 2, paths: 4 })
    const [incident] = await until(({ cause }) => cause === 'path-loss')
    expect(incident?.scope).toEqual({ kind: 'link', from: 'node1', to: 'node2' })
    expect(incident?.evidence.join('\n')).toMatch(
      /^flows from node[12] to node[12] over IPv[46]: \d+ of \d+ flows loses? (\d+) of \1 packets \(source ports? (udp|syn) \d+.*\), the others lose 0 of \d+$/m,
    )
  })
})

/** Starts agents in a lab of three nodes, and waits until all is well. */
async function startMesh() {
  const ending = new AbortController()
  const spec = { nodes: 3, dnsReplicas: 1, isService: false, isExtended: false, intervalMs: 1_000 }
  const mesh = await openMesh({ network: 'routed', ...spec })
  onTestFinished(async () => {
    ending.abort()
    await mesh.close()
  })
  const watch = watchMesh(mesh, { signal: ending.signal, isOfAgents: true })
  mesh.start()
  await settle(watch, settleMs)
  return {
    lab: mesh.lab,
    /** Waits for incidents like this. */
    async until(isWanted: (incident: Awaited<ReturnType<typeof watch.next>>['incidents'][number]) => boolean) {
      for (;;) {
        const wanted = (await watch.next()).incidents.filter(isWanted)
        if (wanted.length > 0) return wanted
      }
    },
  }
}

function hasLine(evidence: readonly string[], start: string): boolean {
  return evidence.some((line) => line.startsWith(start))
}
