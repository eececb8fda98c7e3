import {
  createProber,
  type FailureReason,
  type OptionsOf,
  type Probe,
  type Protocol,
  probes,
  type Result,
} from '@scout/core'
import { describe, expect, onTestFinished } from 'vitest'
import type { Child, ChildStray } from '../support/child.ts'
import { watchHandles } from '../support/handles.ts'
import { type Need, testWith } from '../support/requirements.ts'

/** Target to probe, with its options and the process to probe from. */
export interface Site<Name extends Protocol> {
  readonly target: string
  readonly options?: OptionsOf<Name>
  /** Process that probes instead of this one, if this one cannot. */
  readonly child?: Child
}

/** A site, which is created for each test, and its requirements on the machine. */
export interface Situation<Name extends Protocol, Extra = unknown> {
  readonly needs: readonly Need[]
  prepare(): Promise<Site<Name> & Extra>
}

/** Situations of one protocol. `null` if only the kernel could misbehave in that way. */
export interface Fixture<Name extends Protocol> {
  /** A target that answers. A success has exactly these phases. */
  readonly answering: Situation<Name, { readonly phases: readonly string[] }>
  /** A target where nothing listens, which is reported. */
  readonly deserted: Situation<Name, { readonly reason: FailureReason }>
  /** A target that never answers. */
  readonly silent: Situation<Name>
  /** A target that answers with garbage. */
  readonly babbling: Situation<Name> | null
  /** A target that does not answer the first attempt. It answers the second with the answer to the first, then with the right one. */
  readonly tardy: Situation<Name, { readonly sharesSocket: boolean }> | null
}

/** Tests the contract of every probe. */
export function describeContract<Name extends Protocol>(protocol: Name, fixture: Fixture<Name>): void {
  const { answering, deserted, silent, babbling, tardy } = fixture

  describe(`the ${protocol} probe`, () => {
    testWith(...answering.needs)('succeeds if it is answered, with phases that add up to its total', async () => {
      const site = await answering.prepare()
      const result = await attempt(protocol, site)
      expect(result).toMatchObject({ protocol, target: site.target, ok: true })
      expect(Object.keys(result.phasesNs)).toEqual(site.phases)
      expect(Object.keys(probes[protocol].phases)).toEqual(expect.arrayContaining([...site.phases]))
      const times = Object.values(result.phasesNs).map(Number)
      expect(times.every((ns) => Number.isSafeInteger(ns) && ns > 0)).toBe(true)
      const sumNs = times.reduce((sum, ns) => sum + ns, 0)
      const { yields }: Pick<Probe, 'yields'> = probes[protocol]
      if (yields === 'facts') expect(result.totalNs).toBeGreaterThanOrEqual(sumNs)
      else expect(result.totalNs).toBe(sumNs)
      expectPackets(result)
      const sendsPackets = ['udp', 'icmp', 'tcp'].includes(probes[protocol].needs)
      if (yields === 'facts') expect(result.packets?.returned).toBeGreaterThan(0)
      else
        expect(result.packets).toEqual(
          sendsPackets
            ? expect.objectContaining({ sent: 1, returned: 1, duplicated: 0, reordered: 0, late: 0 })
            : undefined,
        )
    })

    testWith(...deserted.needs)('fails for the reported reason if nothing is listening', async () => {
      const { reason, ...site } = await deserted.prepare()
      const result = await attempt(protocol, site)
      expectFailure(protocol, result, reason)
    })

    testWith(...silent.needs)('fails at its deadline, and not much later, if nothing comes back', async () => {
      const timeoutMs = 200
      const result = await attempt(protocol, await silent.prepare(), { timeoutMs })
      expectFailure(protocol, result, 'timeout')
      expect(result.totalNs / 1e6 / timeoutMs).toBeGreaterThanOrEqual(1)
      expect(result.totalNs / 1e6 / timeoutMs).toBeLessThan(2)
    })

    testWith(...answering.needs)('is cancelled at once', async () => {
      const caller = new AbortController()
      const attempted = attempt(protocol, await answering.prepare(), { timeoutMs: 10_000, signal: caller.signal })
      caller.abort()
      const result = await attempted
      expectFailure(protocol, result, 'cancelled')
      expect(result.totalNs / 10_000e6).toBeLessThan(0.1)
    })

    if (babbling !== null) {
      testWith(...babbling.needs)('never mistakes garbage for an answer', async () => {
        const result = await attempt(protocol, await babbling.prepare(), { timeoutMs: 200 })
        expect(result).toMatchObject({
          ok: false,
          failure: { reason: expect.stringMatching(/^(?:bad-reply|timeout)$/) },
        })
      })
    }

    if (tardy !== null) {
      testWith(...tardy.needs)('never mistakes the answer to an earlier attempt for its own', async () => {
        const site = await tardy.prepare()
        const { probe, strays } = site.child ?? probeHere()
        const first = await probe(protocol, site.target, Object.assign({ timeoutMs: 100 }, site.options))
        expect(first).toMatchObject({ ok: false, failure: { reason: 'timeout' } })
        expect(await probe(protocol, site.target, site.options)).toMatchObject({ ok: true })
        expect((await strays()).map(({ kind }) => kind)).toEqual(site.sharesSocket ? ['late'] : [])
      })
    }

    testWith(...answering.needs)('leaves no handle open after a hundred attempts', async () => {
      const { target, options } = await answering.prepare()
      const allClosed = await watchHandles()
      const prober = createProber()
      for (let round = 0; round < 10; round++) {
        const attempts = Array.from({ length: 10 }, () => prober.probe<Protocol>(protocol, target, options))
        for (const result of await Promise.all(attempts)) expect(result).toMatchObject({ ok: true })
      }
      prober.close()
      await allClosed()
    })

    testWith(...answering.needs, ...deserted.needs)('has a result that survives JSON, success or failure', async () => {
      const results = [
        await attempt(protocol, await answering.prepare()),
        await attempt(protocol, await deserted.prepare()),
      ]
      expect(results.map((result) => result.ok)).toEqual([true, false])
      for (const result of results) expect(JSON.parse(JSON.stringify(result))).toStrictEqual(result)
    })

    testWith(...answering.needs, ...deserted.needs)(
      'has results with the same keys in the same order as every other probe',
      async () => {
        const measured = ['protocol', 'target', 'endpoint', 'startedAtMs', 'phasesNs', 'totalNs', 'clock']
        const success = await attempt(protocol, await answering.prepare())
        const failed = await attempt(protocol, await deserted.prepare())
        const keysOf = (result: Result) => [
          ...measured,
          ...('packets' in result ? ['packets'] : []),
          'ok',
          ...(result.ok ? [] : ['failure']),
          ...('detail' in result ? ['detail'] : []),
        ]
        expect([success.ok, failed.ok]).toEqual([true, false])
        for (const result of [success, failed]) expect(Object.keys(result)).toEqual(keysOf(result))
        for (const { endpoint, clock } of [success, failed]) {
          expect(['host', 'address', 'family', 'port']).toEqual(expect.arrayContaining(Object.keys(endpoint ?? {})))
          expect(Object.keys(clock)).toEqual(['tx', 'rx'])
        }
        if (failed.ok) return
        const { icmp } = failed.failure
        expect(Object.keys(failed.failure)).toEqual([
          'reason',
          'phase',
          'message',
          'code',
          ...(icmp === undefined ? [] : ['icmp']),
        ])
        if (icmp !== undefined) expect(failed.failure.code).toBe(`ICMP ${icmp.type}/${icmp.code}`)
      },
    )
  })
}

type Overrides = { readonly timeoutMs?: number; readonly signal?: AbortSignal }

async function attempt<Name extends Protocol>(
  protocol: Name,
  { target, options, child }: Site<Name>,
  overrides: Overrides = {},
): Promise<Result> {
  const { probe } = child ?? probeHere()
  return probe(protocol, target, Object.assign({ ...overrides }, options))
}

function expectFailure(protocol: Protocol, result: Result, reason: FailureReason): void {
  expect(result).toMatchObject({ ok: false, failure: { reason } })
  expectPackets(result)
  if (result.ok) return
  expect(['setup', 'resolve', ...Object.keys(probes[protocol].phases)]).toContain(result.failure.phase)
  // One sentence for people.
  expect(result.failure.message).toMatch(/^[^\n]+[^\n.]$/)
}

/** Expects consistent packet counts: probes that send their own packets count them, whether or not they succeed. */
function expectPackets(result: Result): void {
  const { packets } = result
  if (packets === undefined) return
  expect(Object.keys(packets).filter((key) => key !== 'arrived')).toEqual(packetCounts)
  expect(Object.values(packets).every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true)
  expect(packets.returned).toBeLessThanOrEqual(packets.sent)
}

const packetCounts = ['sent', 'returned', 'duplicated', 'reordered', 'late']

function probeHere(): Pick<Child, 'probe' | 'strays'> {
  const strays: ChildStray[] = []
  const prober = createProber({ onStray: (protocol, stray) => strays.push({ protocol, ...stray }) })
  onTestFinished(() => prober.close())
  return {
    probe: (protocol, target, options) => prober.probe(protocol, target, options),
    strays: async () => strays.splice(0),
  }
}
