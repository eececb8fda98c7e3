import { describe, expect, test } from 'vitest'
import type { Evidence, Fact, Symptom } from '../../src/diagnose/evidence.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { evidenceOf } from '../../src/diagnose/facts.ts'
import type { Collected } from '../../src/diagnose/proofs/proof.ts'
import { nowMs, rowOf } from '../mesh/rows.ts'
import { type Fault, isBetween, worldOf } from './world.ts'

const { atMs } = worldOf([])
const mtuSays = 'packets larger than 1378 bytes vanish on the way to 10.244.2.2, while 1500 bytes pass back'

function collected(parts: Partial<Collected>): Collected {
  return { from: 'node1', to: 'node2', proof: 'mtu', says: mtuSays, packets: 60, atMs: atMs - 10_000, ...parts }
}

function withCollected(faults: readonly Fault[], ...collected: readonly Collected[]): Evidence {
  return { ...worldOf(faults), collected }
}

const between =
  (shows: (fact: Fact) => Symptom | undefined): Fault =>
  (fact) =>
    isBetween(fact, 'node1', 'node2') ? shows(fact) : undefined
const large = between(({ bytes = 0 }) => (bytes > 1_000 ? 'silent' : undefined))
const lossy = between(({ protocol }) => (protocol === 'icmp' ? undefined : 'lossy'))
const flowsSay = (says: string, shows: Symptom) => collected({ proof: 'flows', says, shows })

test('a black hole has its size and direction in its sentence and its evidence', () => {
  const [finding] = explain(withCollected([large], collected({ shows: 'silent' })))
  expect(finding?.evidence).not.toContainEqual(expect.stringContaining('more checks fail'))
  expect(finding?.cause).toBe('mtu-black-hole')
  expect(finding?.summary).toBe(`${mtuSays}: node1 <-> node2`)
  expect(finding?.evidence).toContain(`mtu from node1 to node2: ${mtuSays}`)
})

test('large packets that fail although the largest of all pass speak against a black hole', () => {
  const passes = collected({ says: 'packets of up to 1500 bytes pass', shows: 'passes' })
  const weights = explain(withCollected([large], passes)).flatMap((finding) => finding.weights)
  const ofProof = weights.find(({ aspect }) => aspect === 'the largest packet')
  expect(ofProof?.symptom).toBe('passes')
  expect(ofProof?.nats).toBeLessThan(-5)
})

test('the same loss is a broken path or random, by which flows it hits', () => {
  const path = '2 of 32 flows lose 16 of 16 packets (source ports udp 41003, udp 41009), the others lose 0 of 240'
  const [broken] = explain(withCollected([lossy], flowsSay(path, 'silent')))
  expect(broken).toMatchObject({ cause: 'path-loss', rivals: [] })
  expect(broken?.summary).toBe(`${path}, as if one of several parallel paths were broken: node1 <-> node2`)
  expect(broken?.evidence).toContain(`flows from node1 to node2: ${path}`)
  const [random] = explain(
    withCollected([lossy], flowsSay('20 of 32 flows lose 28 of 256 packets, as by chance', 'lossy')),
  )
  expect(random).toMatchObject({ cause: 'packet-loss', rivals: [] })
})

describe('what large packets sent together show decides about a slow line', () => {
  const cut = collected({ proof: 'train', says: 'the last 22 of 32 packets sent together are lost', shows: 'limited' })
  const waits = collected({
    proof: 'train',
    says: 'packets sent together arrive at 9.9Mbit/s, the last 36ms after the first, and none of 160 are lost',
    shows: 'queued',
  })
  const passes = collected({
    proof: 'train',
    says: 'packets sent together arrive too fast to tell the rate, and 3 of 160 are lost',
    shows: 'passes',
  })
  const slow = between(() => 'slow')
  const both = between(({ bytes = 0, protocol }) => (bytes > 1_000 && protocol !== 'http' ? 'lossy' : 'slow'))
  const largeOnly = between(({ bytes = 0 }) => (bytes > 1_000 ? 'slow' : undefined))

  test.each<{ name: string; fault: Fault; train: Collected; cause: string }>([
    { name: 'loss', fault: lossy, train: cut, cause: 'bandwidth-limited' },
    { name: 'loss in a short queue', fault: lossy, train: waits, cause: 'bandwidth-limited' },
    { name: 'loss at random', fault: lossy, train: passes, cause: 'packet-loss' },
    { name: 'delay in a long queue', fault: slow, train: waits, cause: 'buffer-bloat' },
    { name: 'delay in a short one', fault: slow, train: cut, cause: 'bandwidth-limited' },
    { name: 'delay on a longer path', fault: slow, train: passes, cause: 'latency-raised' },
    { name: 'loss and delay', fault: both, train: cut, cause: 'bandwidth-limited' },
    { name: 'delay of what is large', fault: largeOnly, train: waits, cause: 'bandwidth-limited' },
  ])('$name', ({ fault, train, cause }) => {
    const findings = explain(withCollected([fault], train))
    expect(findings).toMatchObject([{ cause, rivals: [], scope: { kind: 'link', from: 'node1', to: 'node2' } }])
    expect(findings[0]?.evidence).toContain(`train from node1 to node2: ${train.says}`)
    if (train !== passes) expect(findings[0]?.summary).toMatch(`${train.says}, as if `)
  })

  test('the next command repeats it, whatever fails first', () => {
    const failing = between(({ protocol }) => (protocol === 'icmp' ? undefined : 'lossy'))
    const [finding] = explain(withCollected([failing], cut))
    expect(finding?.next).toBe('scout-probe --from node1 udp node2:8081 --volley 32 --payload-bytes 1400')
  })

  test('without it, no limit is named', () => {
    for (const fault of [lossy, slow, both, largeOnly]) {
      const names = explain(worldOf([fault])).map(({ cause }) => cause)
      expect(names).not.toContain('bandwidth-limited')
      expect(names).not.toContain('buffer-bloat')
    }
  })
})

test('a trace is told with the finding of its link, and decides nothing', () => {
  const says = '2 of 8 flows are lost after 10.0.1.1, the last hop that answers, over tcp'
  const without = explain(worldOf([lossy]))
  const told = explain(withCollected([lossy], collected({ proof: 'trace', says })))
  expect(told.map(({ evidence, ...finding }) => finding)).toEqual(without.map(({ evidence, ...finding }) => finding))
  expect(told[0]?.evidence).toContain(`trace from node1 to node2: ${says}`)
  const elsewhere = explain(withCollected([lossy], collected({ proof: 'trace', says, to: 'node3' })))
  expect(elsewhere).toEqual(without)
})

test('what was collected last of each kind is told and counted once, from the first end of a link', () => {
  const seen = (parts: Partial<Collected>) => collected({ shows: 'silent', family: 'ipv4', ...parts })
  const [finding] = explain(
    withCollected(
      [large],
      seen({ from: 'node2', to: 'node1', says: 'vanish on the way back' }),
      seen({ says: 'vanish on the way' }),
      seen({ says: 'vanished before', atMs: atMs - 20_000 }),
    ),
  )
  expect(finding?.summary).toBe('vanish on the way: node1 <-> node2')
  expect(finding?.evidence.filter((line) => line.startsWith('mtu'))).toEqual([
    'mtu from node1 to node2 over IPv4: vanish on the way',
    'mtu from node2 to node1 over IPv4: vanish on the way back',
  ])
  const weight = finding?.weights.find(({ aspect }) => aspect === 'the largest packet over IPv4')
  expect(weight?.links).toBe(2)
})

test('what was collected is no evidence once its trouble is over, before it began, or where nothing arrives any more', () => {
  const silent = collected({ shows: 'silent' })
  const dead = between(() => 'silent')
  expect(explain(withCollected([], silent))).toEqual([])
  const early = collected({ shows: 'silent', atMs: atMs - 3_600_000 })
  expect(explain(withCollected([large], early))).toEqual(explain(worldOf([large])))
  expect(explain(withCollected([dead], silent))).toEqual(explain(worldOf([dead])))
})

test('what was collected is no finding by itself, whatever else fails on its link', () => {
  const refused = between(({ protocol }) => (protocol === 'icmp' ? 'prohibited' : undefined))
  const found = explain(withCollected([refused], collected({ shows: 'silent' }), flowsSay('', 'silent')))
  expect(found.map(({ cause }) => cause)).toEqual(explain(worldOf([refused])).map(({ cause }) => cause))
})

test('a row has what its agent collected, on the clock of the reader, and readers pass over what they do not know', () => {
  const own = {
    incident: 'abc',
    proof: 'mtu',
    to: 'b',
    target: '10.0.0.2:8081',
    says: mtuSays,
    packets: 60,
    values: {},
  }
  const row = {
    ...rowOf('a', []),
    collected: [
      { ...own, atMs: nowMs - 5_000, shows: 'silent' },
      { ...own, atMs: nowMs, proof: 'sonar', shows: 'purple' },
    ],
  }
  const evidence = evidenceOf([{ node: 'a', received: { row, receivedAtMs: nowMs + 1_000 } }], nowMs)
  const known = { from: 'a', to: 'b', says: mtuSays, packets: 60 }
  expect(evidence.collected).toEqual([
    { ...known, proof: 'mtu', atMs: nowMs - 4_000, shows: 'silent' },
    { ...known, proof: 'sonar', atMs: nowMs + 1_000 },
  ])
  expect(explain(evidence)).toEqual([])
})
