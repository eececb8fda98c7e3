import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, vi } from 'vitest'
import { eventually } from '../../../../../test/support/eventually.ts'
import { describeWith, testWith } from '../../../../../test/support/requirements.ts'
import { openTimedSocket } from '../../../src/net/native/timed-socket.ts'
import { createNetwork, networkNeeds } from './network.ts'
import { native, nativeFolder, nativePresent, record } from './timed-sockets.ts'

const test = testWith(nativePresent)

/** Start of every program that runs in a separate thread or process: a socket that keeps sending packets to itself. */
const prelude = `
  const native = require(${JSON.stringify(createRequire(import.meta.url).resolve('node-gyp-build'))})(
    ${JSON.stringify(nativeFolder)})
  const { parentPort } = require('node:worker_threads')
  const open = (onNews) => native.openPacketSocket(
    { kind: 'udp4', address: '127.0.0.1', packetBytes: 2048, bufferBytes: 1 << 20 }, onNews)
  const packet = new Uint8Array(8)
`

function start(program: string): Worker {
  const worker = new Worker(prelude + program, { eval: true })
  onTestFinished(async () => void (await worker.terminate()))
  return worker
}

const echoing = `
  let received = 0
  const socket = open((arrivals) => {
    received += arrivals
    if (received % 100 === 0) parentPort.postMessage(received)
    for (let i = 0; i < arrivals; i++) socket.send(packet, '127.0.0.1', socket.port)
  })
  socket.send(packet, '127.0.0.1', socket.port)
`

describe('worker threads', () => {
  test('have their own sockets, several threads and the main thread at once', async () => {
    const workers = [start(echoing), start(echoing)]
    const { socket, arrivals } = record({ kind: 'udp4', address: '127.0.0.1' })
    socket.send(Buffer.from('main'), '127.0.0.1', socket.port)
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    await eventually(() => arrivals.length > 0, 'an arrival')
  })

  test('can be terminated with open, busy sockets, and leave nothing open', async () => {
    const before = socketsOfProcess()
    for (let round = 0; round < 10; round++) {
      const worker = start(echoing)
      await once(worker, 'message')
      await worker.terminate()
    }
    await eventually(() => socketsOfProcess() <= before, 'the sockets of the workers closed')
  })

  test('can end in the middle of a delivery', async () => {
    for (const end of ['process.exit(7)', 'process.reallyExit(7)', 'queueMicrotask(() => process.exit(7))']) {
      const worker = start(`
        const socket = open(() => { ${end} })
        socket.send(packet, '127.0.0.1', socket.port)
      `)
      expect(await once(worker, 'exit')).toEqual([7])
    }
  })

  test('receive the errors of their listener', async () => {
    const worker = start(`
      const socket = open(() => { throw new Error('from the listener') })
      socket.send(packet, '127.0.0.1', socket.port)
    `)
    const [error]: unknown[] = await once(worker, 'error')
    expect(error).toMatchObject({ message: 'from the listener' })
  })

  test('end when their sockets are closed or unreferenced', async () => {
    for (const ending of ['socket.close()', 'socket.setRef(false)']) {
      expect(await once(start(`const socket = open(() => {}); ${ending}`), 'exit')).toEqual([0])
    }
  })
})

describe('streams of a worker thread', () => {
  const connecting = `
    const net = require('node:net')
    const { layout } = native
    const server = net.createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1')
    const connect = (onNews) => {
      const streams = native.openStreams((rows) => onNews(rows, stream))
      const fd = native.openStreamSocket('ipv4')
      const stream = streams.connect(fd, 'ipv4', '127.0.0.1', server.address().port, true, false)
      return { write: () => streams.write(stream, packet), close: () => streams.close(stream) }
    }
  `

  test('are closed when it is terminated', async () => {
    const before = socketsOfProcess()
    for (let round = 0; round < 5; round++) {
      const worker = start(`${connecting}
        let told = 0
        server.once('listening', () => {
          const stream = connect(() => {
            stream.write()
            if (++told === 10) parentPort.postMessage('busy')
          })
        })
      `)
      await once(worker, 'message')
      await worker.terminate()
    }
    await eventually(() => socketsOfProcess() <= before, 'the sockets of the workers closed')
  })

  test('keep it running only while they are open', async () => {
    const worker = start(`${connecting}
      server.once('listening', () => {
        const stream = connect(() => {
          setTimeout(() => { parentPort.postMessage('closed'); stream.close() }, 50).unref()
        })
        server.unref()
      })
      server.once('connection', (socket) => socket.unref())
    `)
    const exited = once(worker, 'exit')
    // The timer is unreferenced, so it fires only because the stream is open.
    expect(await once(worker, 'message')).toEqual(['closed'])
    expect(await exited).toEqual([0])
  })

  test('report an exception of their listener', async () => {
    const worker = start(`${connecting}
      server.once('listening', () => connect(() => { throw new Error('from the listener') }))
    `)
    const [error]: unknown[] = await once(worker, 'error')
    expect(error).toMatchObject({ message: 'from the listener' })
  })
})

describe('callbacks that the listener queues', () => {
  test('run before the next packet is delivered', async () => {
    const worker = start(`
      const order = []
      const socket = open(() => {
        order.push('listener')
        process.nextTick(() => order.push('tick'))
        Promise.resolve().then(() => order.push('promise'))
        setImmediate(() => { parentPort.postMessage(order); socket.close() })
      })
      socket.send(packet, '127.0.0.1', socket.port)
    `)
    expect(await once(worker, 'message')).toEqual([['listener', 'tick', 'promise']])
  })
})

describe('an exception of the listener', () => {
  test('is uncaught, and the socket keeps working', () => {
    const program = `
      process.on('uncaughtException', (error) => console.log('uncaught', error.message))
      let calls = 0
      const socket = open(() => {
        if (++calls === 2) return socket.close()
        socket.send(packet, '127.0.0.1', socket.port)
        throw new Error('first')
      })
      socket.send(packet, '127.0.0.1', socket.port)
    `
    expect(runNode(program)).toBe('uncaught first\n')
  })
})

describe('garbage collection', () => {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  const collectGarbage = async () => {
    if (typeof collect === 'function') collect()
    await new Promise(setImmediate)
  }

  test('frees a closed socket', async () => {
    const listener = { arrived: () => {}, failed: () => {}, overflowed: () => {} }
    const options = { kind: 'udp4', address: '127.0.0.1', packetBytes: 65_536, bufferBytes: 65_536 } as const
    const beforeBytes = addressSpaceBytes()
    for (let round = 0; round < 100; round++) openTimedSocket(native(), options, listener).close()
    const allBytes = addressSpaceBytes() - beforeBytes
    // Some sockets may be collected while others are still being created.
    expect(allBytes).toBeGreaterThan(50 * 8 * 65_536)
    await vi.waitUntil(async () => {
      await collectGarbage()
      return addressSpaceBytes() - beforeBytes < allBytes / 4
    })
  })

  test('never frees an open socket, even without references', async () => {
    let received = 0
    const open = () => {
      const socket = native().openPacketSocket(
        { kind: 'udp4', address: '127.0.0.1', packetBytes: 2048, bufferBytes: 65_536 },
        (arrivals) => {
          received += arrivals
        },
      )
      return socket.port
    }
    const before = socketsOfProcess()
    const port = open()
    for (let round = 0; round < 5; round++) await collectGarbage()
    const { socket } = record({ kind: 'udp4', address: '127.0.0.1' })
    socket.send(Buffer.from('still there'), '127.0.0.1', port)
    await eventually(() => received === 1, 'an arrival')
    expect(socketsOfProcess()).toBe(before + 2)
  })
})

describeWith(...networkNeeds)('entering a network namespace', () => {
  test('moves a worker, but not the main thread', async () => {
    const network = createNetwork()
    onTestFinished(() => network.remove())
    const home = readlinkSync('/proc/thread-self/ns/net')
    const worker = start(`
      native.enterNetworkNamespace(${JSON.stringify(network.near.path)})
      const { readlinkSync } = require('node:fs')
      const { networkInterfaces } = require('node:os')
      const socket = open(() => parentPort.postMessage([
        readlinkSync('/proc/thread-self/ns/net'), networkInterfaces().eth0?.[0]?.address]))
      socket.send(packet, '127.0.0.1', socket.port)
    `)
    const [message]: unknown[] = await once(worker, 'message')
    expect(message).toEqual([expect.not.stringContaining(home), network.near.ipv4])
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(home)
  })

  test('reports what is wrong with the path', () => {
    for (const [path, code, syscall] of [
      ['/run/netns/none', 'ENOENT', 'open'],
      ['/dev/null', 'EINVAL', 'setns'],
    ] as const) {
      expect(() => native().enterNetworkNamespace(path)).toThrow(expect.objectContaining({ code, syscall }))
    }
  })
})

function runNode(program: string): string {
  return execFileSync(process.execPath, ['-e', prelude + program], { encoding: 'utf8' })
}

function socketsOfProcess(): number {
  return readdirSync('/proc/self/fd').filter((fd) => linkTarget(`/proc/self/fd/${fd}`).startsWith('socket:')).length
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // the descriptor that listed the folder is closed by now
  }
}

function addressSpaceBytes(): number {
  const kilobytes = /^VmSize:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}
