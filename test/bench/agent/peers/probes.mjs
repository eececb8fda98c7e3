import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { encodeRequest, sequenceOfReply } from './datagram.mjs'

/** The timeout of the default checks. */
export const timeoutMs = 3_500

/** @typedef {{ host: string, port: number, localAddress: string }} To */

/**
 * Connects, and closes the connection.
 *
 * @param {To} to
 */
export async function connectOnce(to) {
  const socket = connect(to)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) })
  } finally {
    socket.destroy()
  }
}

/**
 * Requests a path over a new connection, reads the whole response and closes the connection, as Scout's http probe does.
 *
 * @param {To} to
 * @param {string} path
 * @returns {Promise<void>}
 */
export function requestOnce(to, path) {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, noDelay: true })
    const end = (/** @type {Error | undefined} */ error) => {
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    let head = ''
    let missingBytes = Number.NaN
    socket.setTimeout(timeoutMs, () => end(new Error('no answer in time')))
    socket.on('connect', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${to.host}:${to.port}\r\nconnection: keep-alive\r\n\r\n`),
    )
    socket.on('data', (bytes) => {
      if (Number.isNaN(missingBytes)) {
        head += bytes.toString('latin1')
        const bodyAt = head.indexOf('\r\n\r\n') + 4
        if (bodyAt < 4) return
        const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1])
        if (!head.startsWith('HTTP/1.1 200 ') || Number.isNaN(length)) return end(new Error(head.slice(0, bodyAt)))
        missingBytes = length - (head.length - bodyAt)
      } else {
        missingBytes -= bytes.length
      }
      if (missingBytes <= 0) end(undefined)
    })
    socket.on('error', end)
    socket.on('end', () => end(new Error('the connection ended early')))
  })
}

/**
 * Opens a socket for UDP requests of one peer.
 *
 * @param {{ address: string, agent: string, port: number }} options
 */
export async function openUdp({ address, agent, port }) {
  const socket = createSocket('udp4')
  const asking = createAsking()
  const sender = Math.floor(Math.random() * 2 ** 32)
  let sequence = 0
  socket.on('message', (bytes) => asking.answered(sequenceOfReply(bytes) ?? -1))
  socket.bind(0, address)
  await once(socket, 'listening')
  return {
    ask(/** @type {number} */ bytes) {
      const key = ++sequence
      socket.send(encodeRequest({ sender, sequence: key, bytes }), port, agent)
      return asking.wait(key)
    },
  }
}

/** Requests in flight by a number. */
export function createAsking() {
  /** @type {Map<number, () => void>} */
  const waiting = new Map()
  return {
    /** Ends the wait for an answer. */
    answered(/** @type {number} */ key) {
      waiting.get(key)?.()
    },
    /**
     * Resolves when the answer arrives.
     *
     * @param {number} key
     * @returns {Promise<void>}
     */
    wait(key) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(key)
          reject(new Error('no answer in time'))
        }, timeoutMs)
        waiting.set(key, () => {
          waiting.delete(key)
          clearTimeout(timer)
          resolve()
        })
      })
    },
  }
}
