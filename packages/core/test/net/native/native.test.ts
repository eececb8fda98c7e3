import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { testWith } from '../../../../../test/support/requirements.ts'
import { tcpInfoOf } from '../../../src/net/native/native.ts'
import { runWithSteppingClock } from './stepping-clock.ts'
import { native, nativeFolder, nativePresent } from './timed-sockets.ts'

const withNative = testWith(nativePresent)

describe('the native part', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  const load = async (choice: string) => {
    vi.stubEnv('SCOUT_NATIVE', choice)
    vi.resetModules()
    const { nativePart } = await import('../../../src/net/native/native.ts')
    return nativePart()
  }

  test('can be turned off', async () => {
    expect(await load('0')).toEqual({
      isPresent: false,
      reason: 'the native part is turned off by SCOUT_NATIVE=0',
    })
  })

  testWith({ isMet: process.platform === 'linux', reason: 'needs Linux' })(
    'explains why it cannot be loaded',
    async () => {
      expect(await load('/nowhere')).toMatchObject({
        isPresent: false,
        reason: expect.stringMatching(
          /^the native part cannot be loaded from \/nowhere \(No native build was found .*\): install a C compiler, make and python3, then npm rebuild @scout\/core$/,
        ),
      })
    },
  )

  test('reports on other platforms that it needs Linux', async () => {
    vi.stubGlobal('process', { ...process, platform: 'darwin', env: process.env })
    expect(await load('')).toEqual({ isPresent: false, reason: 'the native part needs Linux, and this is darwin' })
  })

  withNative('is loaded once a thread', async () => {
    vi.stubEnv('SCOUT_NATIVE', nativeFolder)
    const { nativePart } = await import('../../../src/net/native/native.ts')
    expect(nativePart()).toBe(nativePart())
    expect(nativePart().isPresent).toBe(true)
  })
})

describe('a TCP connection', () => {
  const connected = async (): Promise<Socket> => {
    const server = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const socket = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
    onTestFinished(() => {
      socket.destroy()
      server.close()
    })
    await once(socket, 'connect')
    return socket
  }

  withNative('tells how long its handshake took, by the kernel', async () => {
    const beforeNs = process.hrtime.bigint()
    const socket = await connected()
    const tookUs = Number(process.hrtime.bigint() - beforeNs) / 1000
    const info = tcpInfoOf(native(), socket)
    expect(info).toMatchObject({ state: 1, retransmits: 0, rttUs: info?.minRttUs })
    expect(info?.rttUs).toBeGreaterThan(0)
    expect(info?.rttUs).toBeLessThan(tookUs)
    expect(info?.advertisedMss).toBeGreaterThan(1000)
    expect(info?.pathMtu).toBeGreaterThan(info?.sendMss ?? Number.NaN)
  })

  withNative('tells nothing once it is destroyed', async () => {
    const socket = await connected()
    socket.destroy()
    expect(tcpInfoOf(native(), socket)).toBeUndefined()
    await once(socket, 'close')
    expect(tcpInfoOf(native(), socket)).toBeUndefined()
  })

  withNative('is not any descriptor', () => {
    const fd = openSync('/dev/null', 'r')
    onTestFinished(() => closeSync(fd))
    expect(() => native().tcpInfo(fd)).toThrow(
      expect.objectContaining({ code: 'ENOTSOCK', syscall: 'getsockopt TCP_INFO' }),
    )
    expect(() => native().tcpInfo(1_000_000)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    expect(() => native().tcpInfo(-1)).toThrow('fd must be an integer from 0 to 2147483647')
  })
})

describe('reserved ports', () => {
  const listen = async (port: number) => {
    const server = createServer().listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
    } finally {
      server.close()
    }
  }

  withNative('are given to nobody else until they are released', async () => {
    const reservation = native().reservePorts('ipv4', '127.0.0.1', 3)
    expect(new Set(reservation.ports).size).toBe(3)
    const [port = 0] = reservation.ports
    await expect(listen(port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    reservation.release()
    reservation.release()
    await listen(port)
  })

  withNative('are of an address of this host', () => {
    for (const [family, address, count, problem] of [
      ['ipv4', '203.0.113.1', 1, { code: 'EADDRNOTAVAIL', syscall: 'bind' }],
      ['ipv4', '::1', 1, { message: 'address must be an IPv4 address' }],
      ['ipv4', '127.0.0.1', 0, { message: 'count must be an integer from 1 to 4096' }],
    ] as const) {
      expect(() => native().reservePorts(family, address, count)).toThrow(expect.objectContaining(problem))
    }
  })
})

describe('the source address', () => {
  withNative('is the one that packets to another address leave from', () => {
    expect(native().sourceAddress('ipv4', '127.0.0.1')).toBe('127.0.0.1')
    expect(native().sourceAddress('ipv6', '::1')).toBe('::1')
  })

  withNative('is refused to what is no address of the family', () => {
    expect(() => native().sourceAddress('ipv4', '::1')).toThrow('address must be an IPv4 address')
    expect(() => native().sourceAddress('ipv4', '255.255.255.255')).toThrow(
      expect.objectContaining({ syscall: 'connect' }),
    )
  })
})

describe('a step of the wall clock', () => {
  const program = `
    const { rmSync, writeFileSync } = require('node:fs')
    const native = require('node-gyp-build')(process.env.NATIVE_FOLDER)
    const { layout } = native
    const socket = native.openPacketSocket(
      { kind: 'udp4', address: '127.0.0.1', packetBytes: 2048, bufferBytes: 65536 }, (arrivals) => {
        const view = new DataView(socket.memory)
        const departure = layout.departures + ticket * layout.departureBytes
        const left = view.getFloat64(departure + layout.departureLeftNs, true)
        const handed = view.getFloat64(departure + layout.departureHandedNs, true)
        const tookNs = view.getFloat64(layout.arrivals + layout.arrivalAtNs, true) - (Number.isNaN(left) ? handed : left)
        console.log(
          Number.isNaN(left) ? 'user' : 'kernel',
          view.getUint32(layout.arrivals + layout.arrivalClock, true) === 1 ? 'kernel' : 'user',
          tookNs > 0 && tookNs < 1e9 ? 'in time' : tookNs)
      })
    const send = () => socket.send(new Uint8Array(8), '127.0.0.1', socket.port)
    let ticket = send()
    socket.drain()
    ticket = send()
    writeFileSync('step', '')
    socket.drain()
    rmSync('step')
    ticket = send()
    socket.drain()
    ticket = send()
    socket.drain()
    socket.close()
  `

  testWith(nativePresent, 'g++')('invalidates timestamps taken before it, and does not affect later ones', () => {
    const printed = runWithSteppingClock(['-e', program], {
      NATIVE_FOLDER: nativeFolder,
      NODE_PATH: join(import.meta.dirname, '../../../../../node_modules'),
    })
    expect(printed.trim().split('\n')).toEqual([
      'kernel kernel in time',
      'user user in time',
      'user user in time',
      'kernel kernel in time',
    ])
  })
})
