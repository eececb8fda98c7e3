import { createInterface } from 'node:readline'
import { type Evidence, explain, Fact, intervalOf, type Packets } from '@scout/core'
import { type Lab, openLab } from '@scout/lab'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { labNeeds } from '../lab/test/support/namespaces.ts'
import { assertBuilt } from '../support/built.ts'
import { describeWith, nativePart } from '../support/requirements.ts'

/** So many that the share of a tenth is beyond 7 % to 13 % once in ten million runs. */
const leastPackets = 3_000

/**
 * Answers the probes of the other pod, and prints a line once that has answered its own. When it reads one, it repeats its probe until it knows
 * the fate of enough packets, and prints what it counted.
 */
const program = `
  import { once } from 'node:events'
  const { createProber, startUdpResponder, Window } = await import(process.env.CORE)
  const { OTHER: target, LEAST: least } = process.env
  const window = new Window()
  const onResults = (results) => {
    for (const { result } of results) window.add(result, 'time')
    const { packets } = window.counts
    if (packets.arrived + packets.lostForth >= least) console.log(JSON.stringify(packets))
  }
  await startUdpResponder({ host: '0.0.0.0', port: 8081 })
  const prober = createProber({ onResults })
  while (!(await prober.probe('udp', target, { timeoutMs: 200 })).ok) continue
  console.log('"ready"')
  await once(process.stdin, 'data')
  // On a busy machine answers are late, which is no loss, and may overtake each other, which is one to their session.
  const options = { timeoutMs: 60_000 }
  await prober.setTasks(['a', 'b', 'c', 'd'].map((id) => ({ id, protocol: 'udp', target, intervalMs: 12, options })))
`

describeWith(...labNeeds, nativePart)('a path that loses a tenth of the packets from node1 to node2', () => {
  let lab: Lab
  let counted: readonly Required<Packets>[] = []

  beforeAll(async () => {
    assertBuilt('packages/core')
    lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    const [one = '', two = ''] = lab.topology.pods.map(({ addresses }) => addresses.ipv4)
    const senders = [senderIn('pod1', two), senderIn('pod2', one)]
    for (const { read } of senders) expect(await read()).toBe('ready')
    await lab.inject('random-loss', { from: 1, to: 2, direction: 'forward', percentage: 10 })
    for (const { begin } of senders) begin()
    counted = (await Promise.all(senders.map(({ read }) => read()))) as readonly Required<Packets>[]
  }, 120_000)
  afterAll(() => lab.close())

  function senderIn(place: string, other: string) {
    const { child } = lab.spawn(place, [process.execPath, '--input-type=module', '--eval', program], {
      env: {
        ...process.env,
        CORE: new URL('../../packages/core/dist/index.js', import.meta.url).href,
        OTHER: `${other}:8081`,
        LEAST: String(leastPackets),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const { stdin, stdout } = child
    if (stdin === null || stdout === null) throw new TypeError('it has pipes')
    const lines = createInterface(stdout)[Symbol.asyncIterator]()
    return {
      read: async (): Promise<unknown> => JSON.parse((await lines.next()).value),
      begin: () => stdin.write('begin\n'),
    }
  }

  test('is seen on the way there by the one, and on the way back by the other', () => {
    const tenth = { asymmetricMatch: (share: number) => share > 0.07 && share < 0.13 }
    const none = { asymmetricMatch: (share: number) => share < 0.002 }
    expect(counted.map(lossesOf).map(({ forth, back }) => [forth.lost / forth.of, back.lost / back.of])).toEqual([
      [tenth, none],
      [none, tenth],
    ])
  })

  test('is said to lose them on that way', () => {
    const [finding, ...others] = explain(evidenceOf(counted))
    expect(others).toEqual([])
    expect(finding).toMatchObject({ cause: 'packet-loss', direction: 'forward', scope: { from: 'node1', to: 'node2' } })
    expect(finding?.summary).toMatch(
      /^[\d.]+ % \([\d.]+ % to [\d.]+ %\) of packets from node1 to node2 are lost, (none|0\.\d+ % .*) on the way back$/,
    )
  })
})

function lossesOf({ arrived, lostForth, returned }: Required<Packets>) {
  const shareOf = (lost: number, of: number) => ({ lost, of, ...intervalOf(lost, of) })
  return { forth: shareOf(lostForth, arrived + lostForth), back: shareOf(arrived - returned, arrived) }
}

/** Returns what both nodes know of each other. */
function evidenceOf(counted: readonly Required<Packets>[]): Evidence {
  const names = ['node1', 'node2']
  const atMs = Date.now()
  return {
    atMs,
    nodes: names.map((name) => ({ name, hasRow: true, isStarved: false, problems: [] })),
    facts: counted.map(
      (packets, index) =>
        new Fact(
          { check: 'udp', protocol: 'udp', path: 'pod', vantage: 'pod', family: 'ipv4' },
          {
            from: names[index] ?? '',
            to: { kind: 'node', name: names[1 - index] ?? '' },
            target: 'other:8081',
            symptom: 'lossy',
            loss: { ...intervalOf(packets.sent - packets.returned, packets.sent), ...lossesOf(packets) },
            sinceMs: atMs - 60_000,
            trials: packets.sent,
            lastMs: atMs,
          },
        ),
    ),
  }
}
