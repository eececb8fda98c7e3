// node neighbour-main.mjs TARGETS: a pod that means no good. Reads orders from its standard input: `readers`, then `everything`.

import { randomBytes, randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

/** @typedef {{ address: string, consolePort: number, responderPort: number }} Target */
/** @typedef {{ port: number, path: string, times?: number }} Asked */

/** @type {readonly Target[]} */
const targets = JSON.parse(process.argv[2] ?? '')
const [first = { address: '', consolePort: 0, responderPort: 0 }] = targets

/** @type {Readonly<Record<string, () => void>>} */
const orders = {
  readers: () => repeat(40, () => read(first.responderPort, '/bytes?size=1048576')),
  everything() {
    sendGarbage(20_000)
    // Both ports, of every agent.
    for (const target of targets) {
      const { consolePort, responderPort } = target
      every(500, () => pipeline(target, { port: responderPort, path: '/bytes?size=1048576', times: 200 }))
      every(500, () => pipeline(target, { port: consolePort, path: '/metrics', times: 1_400 }))
      repeat(40, () => leave(target, responderPort))
      repeat(60, () => readSlowly(target, { port: responderPort, path: '/bytes?size=1048576' }))
      repeat(20, () => readSlowly(target, { port: consolePort, path: '/metrics' }))
      repeat(20, () => readSlowly(target, { port: consolePort, path: '/api/v1/snapshot' }))
      for (const port of [consolePort, responderPort]) repeat(300, () => sendHalf(target, port))
    }
    every(10, () => scrape())
  },
}

createInterface(process.stdin).on('line', (line) => orders[line]?.())

/** Does something again whenever it ends, so many times at once. */
function repeat(/** @type {number} */ times, /** @type {() => Promise<unknown>} */ act) {
  const again = async () => {
    for (;;) {
      await act()
      // What is refused at once is not repeated in a busy loop.
      await new Promise((resolve) => setTimeout(resolve, randomInt(20, 100)))
    }
  }
  for (let i = 0; i < times; i++) void again()
}

function every(/** @type {number} */ ms, /** @type {() => void} */ act) {
  setInterval(act, ms)
}

/** Sends invalid datagrams of all sizes, among them those of valid ones. */
function sendGarbage(/** @type {number} */ perSecond) {
  const socket = createSocket('udp4').unref()
  const garbage = Array.from({ length: 64 }, (_, i) => randomBytes(i % 4 === 0 ? 24 : randomInt(0, 1_400)))
  let sent = 0
  const startMs = performance.now()
  every(5, () => {
    for (const due = ((performance.now() - startMs) / 1_000) * perSecond; sent < due; sent++) {
      const { address, responderPort } = targets[sent % targets.length] ?? first
      socket.send(garbage[sent % garbage.length] ?? '', responderPort, address, () => {})
    }
  })
}

/** @param {Target} target @param {number} port */
function open({ address }, port) {
  const client = connect({ host: address, port })
  client.on('error', () => {})
  return client
}

function request(/** @type {string} */ path) {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
}

/** Asks for many answers at once and takes none, until the connection ends. */
function pipeline(/** @type {Target} */ target, /** @type {Asked} */ { port, path, times = 1 }) {
  const client = open(target, port).pause()
  client.write(request(path).repeat(times))
  setTimeout(() => client.destroy(), 20_000)
}

/** Reads one answer at full speed. */
async function read(/** @type {number} */ port, /** @type {string} */ path) {
  const client = open(first, port)
  client.resume()
  client.write(request(path).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  await new Promise((resolve) => client.once('close', resolve))
}

/** Asks for an answer and leaves. */
async function leave(/** @type {Target} */ target, /** @type {number} */ port) {
  const client = open(target, port)
  client.end(request('/bytes?size=1048576'))
  await new Promise((resolve) => client.resume().once('close', resolve))
}

/** Reads one answer at 64 KiB a second. */
async function readSlowly(/** @type {Target} */ target, /** @type {Asked} */ { port, path }) {
  const client = open(target, port)
  client.write(request(path))
  client.on('data', () => {
    client.pause()
    setTimeout(() => client.resume(), 1_000)
  })
  const timer = setTimeout(() => client.destroy(), 60_000)
  await new Promise((resolve) => client.once('close', resolve))
  clearTimeout(timer)
}

/** Sends the beginning of a request with a long header, and never its end. */
async function sendHalf(/** @type {Target} */ target, /** @type {number} */ port) {
  const client = open(target, port)
  client.resume()
  client.write(`GET / HTTP/1.1\r\nHost: localhost\r\nx: ${'x'.repeat(12_000)}`)
  const timer = setTimeout(() => client.destroy(), 60_000)
  await new Promise((resolve) => client.once('close', resolve))
  clearTimeout(timer)
}

let scraped = 0
/** Scrapes one agent as Prometheus does. */
function scrape() {
  const target = targets[scraped++ % targets.length] ?? first
  const client = open(target, target.consolePort)
  client.resume()
  client.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n')
  setTimeout(() => client.destroy(), 10_000)
}
