// node peers-main.mjs REQUEST: all the peers of the agent under test, in one process and one namespace, where every peer has an address.
//
// Each peer answers as an agent does: HTTP with its greeting, TCP, Scout's UDP echo; the kernel answers echo requests and SYNs. As many as
// each agent of a mesh probes also probe the agent, with the connections and packets of the default checks at their default intervals, each
// at a random phase: http (GET /), syn (half-open), udp-large and icmp every 10 s; http-large (100,000 bytes), tcp (connect and close),
// udp-fragmented and icmp-large every 30 s; udp twice a second. It measures nothing; it counts what was answered. A name server beside
// them answers the dns check.
//
// None of it is code of Scout, so that the load stays the same while Scout changes.

import { answerHttp, answerNames, answerUdp } from './peers/answers.mjs'
import { createPackets } from './peers/packets.mjs'
import { connectOnce, openUdp, requestOnce } from './peers/probes.mjs'

/** @typedef {{ addresses: readonly string[], probing: number, agent: string, port: number, nameServer: string }} Request */

/** @type {Request} */
const { addresses, probing, agent, port, nameServer } = JSON.parse(process.argv[2] ?? '')
const [roundMs, thirdRoundMs, streamMs] = [10_000, 30_000, 500]

process.once('disconnect', () => process.exit())
/** @typedef {{ sent: number, failed: Record<string, number> }} Count failures by their message */
/** @type {Record<string, Count>} */
const counts = {}
process.on('message', (/** @type {'answer' | 'probe' | 'count'} */ order) => void obey(order))
process.send?.('running')

/**
 * Does what this process is asked over its channel, and reports when it is done.
 *
 * @param {'answer' | 'probe' | 'count'} order
 */
async function obey(order) {
  if (order === 'answer') await answer()
  if (order === 'probe') await probe()
  process.send?.(order === 'count' ? counts : order)
}

/** Answers, once the network is there. */
async function answer() {
  await answerHttp({ addresses, port })
  await answerUdp({ addresses, port })
  await answerNames(nameServer)
}

async function probe() {
  const packets = createPackets(agent)
  const startedAtMs = Date.now()
  await Promise.all(
    addresses.slice(0, probing).map(async (address, index) => {
      const udp = await openUdp({ address, agent, port })
      const to = { host: agent, port, localAddress: address }
      const caller = new URLSearchParams({ name: `peer-${index}`, namespace: 'scout', startedAtMs: `${startedAtMs}` })
      once('greeting', Math.random() * 5_000, () => requestOnce(to, `/greeting?${caller.toString()}`))
      repeat('http', roundMs, () => requestOnce(to, '/'))
      repeat('http-large', thirdRoundMs, () => requestOnce(to, '/bytes?size=100000'))
      repeat('tcp', thirdRoundMs, () => connectOnce(to))
      repeat('syn', roundMs, () => packets.sendSyn(address, port))
      repeat('udp', streamMs, () => udp.ask(64))
      repeat('udp-large', roundMs, () => udp.ask(1400))
      repeat('udp-fragmented', thirdRoundMs, () => udp.ask(4000))
      repeat('icmp', roundMs, () => packets.askEcho(address, 56))
      repeat('icmp-large', thirdRoundMs, () => packets.askEcho(address, 1400))
    }),
  )
}

/**
 * @param {string} name
 * @param {number} everyMs
 * @param {() => Promise<unknown>} act
 */
function repeat(name, everyMs, act) {
  setTimeout(() => {
    setInterval(() => void counted(name, act), everyMs)
    void counted(name, act)
  }, Math.random() * everyMs)
}

/**
 * @param {string} name
 * @param {number} afterMs
 * @param {() => Promise<unknown>} act
 */
function once(name, afterMs, act) {
  setTimeout(() => void counted(name, act), afterMs)
}

/**
 * @param {string} name
 * @param {() => Promise<unknown>} act rejects where there is no answer
 */
async function counted(name, act) {
  const count = (counts[name] ??= { sent: 0, failed: {} })
  count.sent++
  try {
    await act()
  } catch (error) {
    const why = error instanceof Error ? error.message.replaceAll(/\b[\d.:]{7,}\b/g, 'ADDRESS') : String(error)
    count.failed[why] = (count.failed[why] ?? 0) + 1
  }
}
