// node yardstick-main.mjs: measures how fast this machine is, with two loops that use only Node's own modules, and prints their cost as
// JSON. `node yardstick-main.mjs answer` is the process that answers them.

import { fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import { fileURLToPath } from 'node:url'

const host = '127.0.0.1'
const rounds = 9

if (process.argv[2] === 'answer') await answer()
else await measure()

async function answer() {
  const udp = createSocket('udp4')
  udp.on('message', (bytes, { port, address }) => udp.send(bytes, port, address))
  udp.bind(0, host)
  await once(udp, 'listening')
  const http = createServer((_, response) => response.end('{"message":"connected"}\n'))
  http.listen(0, host)
  await once(http, 'listening')
  const address = http.address()
  process.once('disconnect', () => process.exit())
  process.send?.({ udp: udp.address().port, http: typeof address === 'object' ? address?.port : undefined })
}

async function measure() {
  const child = fork(fileURLToPath(import.meta.url), ['answer'])
  const [ports] = await once(child, 'message')
  const echo = await echoOver(ports.udp)
  const request = () => requestFrom(ports.http)
  // So that the code is compiled.
  await repeat(echo, { times: 20_000, atOnce: 32 })
  await repeat(request, { times: 2_000, atOnce: 8 })
  const costs = []
  for (let round = 0; round < rounds; round++) {
    costs.push({
      udpUs: await costUs(echo, { times: 20_000, atOnce: 32 }),
      httpUs: await costUs(request, { times: 2_000, atOnce: 8 }),
    })
  }
  const answerCpu = {
    udpUs: median(costs.map(({ udpUs }) => udpUs)),
    httpUs: median(costs.map(({ httpUs }) => httpUs)),
  }
  process.stdout.write(JSON.stringify(answerCpu), () => process.exit())
}

/**
 * Returns a function that sends a datagram and waits for its echo.
 *
 * @param {number} port
 */
async function echoOver(port) {
  const socket = createSocket('udp4')
  /** @type {Map<number, () => void>} */
  const waiting = new Map()
  let sequence = 0
  socket.on('message', (bytes) => {
    const key = bytes.readUInt32BE(0)
    waiting.get(key)?.()
    waiting.delete(key)
  })
  socket.connect(port, host)
  await once(socket, 'connect')
  return () =>
    new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      const bytes = Buffer.alloc(64)
      bytes.writeUInt32BE(++sequence, 0)
      waiting.set(sequence, resolve)
      socket.send(bytes)
    })
}

/**
 * Makes a request over a new connection and reads the whole response.
 *
 * @param {number} port
 */
function requestFrom(port) {
  return new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
    get({ host, port, agent: false }, (response) => response.resume().on('end', resolve)).on('error', reject)
  })
}

/**
 * Returns the processor time of one run of `act` in this process.
 *
 * @param {() => Promise<undefined>} act
 * @param {{ times: number, atOnce: number }} load
 */
async function costUs(act, load) {
  const before = process.cpuUsage()
  await repeat(act, load)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / load.times
}

/**
 * @param {() => Promise<undefined>} act
 * @param {{ times: number, atOnce: number }} load
 */
async function repeat(act, { times, atOnce }) {
  let begun = 0
  const lane = async () => {
    while (begun++ < times) await act()
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
}

/** @param {readonly number[]} numbers */
function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}
