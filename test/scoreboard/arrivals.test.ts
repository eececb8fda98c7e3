import { createInterface } from 'node:readline'
import { type Lab, openLab } from '@scout/lab'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { labNeeds } from '../lab/test/support/namespaces.ts'
import { assertBuilt } from '../support/built.ts'
import { describeWith, nativePart } from '../support/requirements.ts'

/** Probes the other pod and answers its probes. For each line that it reads, prints how long ago a request of the other arrived. */
const program = `
  import { createInterface } from 'node:readline'
  const { createProber, nowNs, startUdpResponder } = await import(process.env.CORE)
  const { OTHER: other } = process.env
  const responder = await startUdpResponder({ host: '0.0.0.0', port: 8081 })
  const prober = createProber()
  await prober.setTasks([{ id: 'a', protocol: 'udp', target: other + ':8081', intervalMs: 100, options: { timeoutMs: 100 } }])
  for await (const _ of createInterface(process.stdin)) {
    const atNs = responder.arrivals().get(other)
    console.log(JSON.stringify(atNs === undefined ? null : (nowNs() - atNs) / 1e6))
  }
`

/** Twenty requests; the machine may be busy. */
const silentMs = 2_000

describeWith(...labNeeds, nativePart)('two pods', () => {
  let lab: Lab
  let agoMs: readonly (() => Promise<number>)[] = []

  beforeAll(async () => {
    assertBuilt('packages/core')
    lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    const [one = '', two = ''] = lab.topology.pods.map(({ addresses }) => addresses.ipv4)
    agoMs = [askIn('pod1', two), askIn('pod2', one)]
  }, 120_000)
  afterAll(() => lab.close())

  /** Starts the program in a pod. */
  function askIn(place: string, other: string) {
    const { child } = lab.spawn(place, [process.execPath, '--input-type=module', '--eval', program], {
      env: {
        ...process.env,
        CORE: new URL('../../packages/core/dist/index.js', import.meta.url).href,
        OTHER: other,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const { stdin, stdout } = child
    if (stdin === null || stdout === null) throw new TypeError('it has pipes')
    const lines = createInterface(stdout)[Symbol.asyncIterator]()
    return async () => {
      stdin.write('\n')
      return JSON.parse((await lines.next()).value) ?? Number.POSITIVE_INFINITY
    }
  }

  /** Returns whether requests arrive at the first pod, and at the second. */
  async function whereArriving() {
    return (await Promise.all(agoMs.map((ask) => ask()))).map((ms) => ms < silentMs)
  }

  test('see requests arrive only where the network still delivers them, though none is answered', async () => {
    await expect.poll(whereArriving, { timeout: 60_000 }).toEqual([true, true])
    const fault = await lab.inject('one-way-loss', { from: 1, to: 2, direction: 'forward' })
    await expect.poll(whereArriving, { timeout: 60_000 }).toEqual([true, false])
    await fault.heal()
    await expect.poll(whereArriving, { timeout: 60_000 }).toEqual([true, true])
    await lab.inject('one-way-loss', { from: 1, to: 2, direction: 'backward' })
    await expect.poll(whereArriving, { timeout: 60_000 }).toEqual([false, true])
  }, 180_000)
})
