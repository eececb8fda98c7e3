// node stage-main.mjs REQUEST: one agent among its peers, measured. Runs as process 1 of namespaces of its own
// (measurement/src/stage/enter.ts): however it ends, everything that it started ends with it. Reports the result over its channel.

import { setTimeout as sleep } from 'node:timers/promises'
import { makePodFiles, startAgent } from './agent-process.mjs'
import { startApiServer } from './api-server.mjs'
import { keepAwake } from './awake.mjs'
import { startKubelet } from './kubelet.mjs'
import { consoleUrl, costOfScrapeMs, readMetric, useWhile } from './measure.mjs'
import { agentAddress, makeBridge, nodeAddress, peerAddresses } from './network.mjs'
import { startPeers } from './peers-process.mjs'
import { systemCallsOf } from './usage.mjs'
import { measureYardstick } from './yardstick.mjs'

/**
 * @typedef {object} Request
 * @property {import('./image.mjs').Image} image
 * @property {string} node
 * @property {number} peers
 * @property {number} probed how many of them the agent probes, and how many probe it
 * @property {number} warmupMs
 * @property {number} measureMs
 */
/** @typedef {Awaited<ReturnType<typeof measure>>} Result */

process.once('disconnect', () => process.exit(1))
/** @type {Request} */
const request = JSON.parse(process.argv[2] ?? '')

const agentName = 'scout-agent'
const responderPort = 8081
const readyMs = 60_000
const tracedSeconds = 5

process.send?.(await measure(), () => process.exit())

async function measure() {
  makeBridge()
  const yardsticks = [await measureYardstick(request.node)]
  const awake = keepAwake()
  const addresses = peerAddresses(request.peers)
  const pods = addresses.map((address, index) => ({ name: `peer-${index}`, address }))
  const account = await startApiServer({
    host: nodeAddress,
    port: 6443,
    pods: [{ name: agentName, address: agentAddress }, ...pods],
    responderPort,
  })
  makePodFiles({ ...account, probed: request.probed })
  const peers = await startPeers({ addresses, probing: request.probed, port: responderPort })
  const agent = await startAgent(request.image, agentName)
  await untilReady(agent)
  const kubelet = startKubelet(consoleUrl)
  await peers.order('probe')

  await sleep(request.warmupMs)
  const { pid } = agent
  const use = await useWhile(pid, { peers, measureMs: request.measureMs })
  const scrapeMs = await costOfScrapeMs(pid, use)
  const calls = await systemCallsOf(pid, tracedSeconds)
  kubelet.stop()
  await agent.end()
  await peers.end()
  awake.end()
  yardsticks.push(await measureYardstick(request.node))
  return { ...use, scrapeMs, calls, kubeletFailures: kubelet.failures, yardsticks }
}

/** Waits until the agent knows all peers, and that they are ready. */
async function untilReady(/** @type {{ log: readonly string[] }} */ agent) {
  const deadlineMs = performance.now() + readyMs
  for (;;) {
    const peers = await readMetric('scout_peers').catch(() => undefined)
    if (peers?.get('state="ready"') === request.peers) return
    if (performance.now() > deadlineMs) throw new Error(`the agent did not find its peers:\n${agent.log.join('\n')}`)
    await sleep(200)
  }
}
