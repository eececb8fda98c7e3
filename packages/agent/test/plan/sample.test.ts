import { describe, expect, it } from 'vitest'
import { type Candidate, rotationMs, sampleNodes } from '../../src/plan/sample.ts'

/** Nodes of a large mesh: seven in ten of them in zone a, three in ten in zone b. */
const mesh = Array.from({ length: 300 }, (_, index): Candidate => ({ node: `n${index}`, zone: zoneOf(`n${index}`) }))

function zoneOf(node: string): string {
  return Number(node.slice(1)) % 10 < 7 ? 'a' : 'b'
}

interface Changes {
  readonly peers?: readonly Candidate[]
  readonly from?: string
  readonly turn?: number
  readonly failing?: readonly string[]
}

function sample({ peers = mesh, from = 'n0', turn = 0, failing = [] }: Changes = {}): ReadonlySet<string> {
  const others = peers.filter(({ node }) => node !== from)
  const isFailing = (node: string) => failing.includes(node)
  return sampleNodes({ peers: others, from, most: 32, atMs: turn * rotationMs, isFailing })
}

function common(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  return [...one].filter((node) => other.has(node)).length
}

describe('the sample of nodes', () => {
  it('has all of a small mesh, whose nodes may have several agents', () => {
    const few = mesh.slice(0, 33)
    expect(sample({ peers: [...few, ...few] })).toEqual(new Set(few.slice(1).map(({ node }) => node)))
  })

  it('has no more than its size of a large mesh, and of each zone its share', () => {
    expect(sample().size).toBe(32)
    const ofZoneB = [...sample()].filter((node) => zoneOf(node) === 'b').length
    expect(ofZoneB).toBeGreaterThanOrEqual(7)
  })

  it('leaves no node unwatched: each is probed by some, and none by very many', () => {
    const probers = new Map(mesh.map(({ node }) => [node, 0]))
    for (const { node: from } of mesh)
      for (const node of sample({ from })) probers.set(node, (probers.get(node) ?? 0) + 1)
    expect(Math.min(...probers.values())).toBeGreaterThanOrEqual(12)
    expect(Math.max(...probers.values())).toBeLessThanOrEqual(64)
  })

  it('has other nodes in a quarter of its places at the next turn, and comes to all in time', () => {
    expect(common(sample(), sample({ turn: 1 }))).toBeGreaterThanOrEqual(24)
    expect(common(sample(), sample({ turn: 1 }))).toBeLessThan(32)
    const seen = new Set(Array.from({ length: 400 }, (_, turn) => [...sample({ turn })]).flat())
    expect(seen.size).toBe(299)
  })

  it('keeps those on whose link something fails', () => {
    const failing = [...sample()].slice(-8)
    expect([...sample({ turn: 1, failing })]).toEqual(expect.arrayContaining(failing))
    const all = mesh.map(({ node }) => node)
    expect(sample({ failing: all }).size).toBe(32)
  })

  it('changes in at most a few places when a node comes or goes', () => {
    expect(common(sample(), sample({ peers: mesh.slice(0, -1) }))).toBeGreaterThanOrEqual(30)
  })
})
