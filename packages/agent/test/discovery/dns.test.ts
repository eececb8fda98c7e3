import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDnsResponder } from '@scout/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { listenUdp } from '../../../../test/support/servers.ts'
import { createDnsDiscovery, type Resolved, resolveBoth, serviceName } from '../../src/discovery/dns.ts'
import type { Greeting } from '../../src/peers/greeting.ts'
import type { Knowledge } from '../../src/peers/knowledge.ts'
import { greeting } from '../support/greetings.ts'

function discover(startingMostMs?: number) {
  const told: Knowledge[] = []
  const world = {
    addresses: [] as readonly string[],
    broken: [] as Resolved['broken'],
    failure: undefined as Error | undefined,
    greetings: {} as Readonly<Record<string, Greeting | 'never' | Promise<Greeting>>>,
    defects: [] as unknown[],
  }
  const discovery = createDnsDiscovery({
    name: 'scout.scout.svc.cluster.local',
    port: 8081,
    pollMs: 5,
    async resolve() {
      if (world.failure !== undefined) throw world.failure
      const { addresses, broken } = world
      return { addresses, broken }
    },
    isOwn: (address) => address === '10.0.0.99',
    async ask(address) {
      const answer = world.greetings[address]
      return answer === 'never' ? new Promise<never>(() => {}) : answer
    },
    onDefect: (error) => world.defects.push(error),
    ...(startingMostMs === undefined ? {} : { startingMostMs }),
  })
  onTestFinished(() => discovery.stop())
  const names = () =>
    (told.at(-1)?.peers ?? []).map(({ name, state, addresses }) => `${name} ${state} ${addresses.join()}`).toSorted()
  return {
    told,
    world,
    names,
    start: () => discovery.start((knowledge) => told.push(knowledge)),
    knows: (...expected: readonly string[]) =>
      eventually(() => names().join('; ') === expected.join('; '), expected.join('; ')),
  }
}

/** `Promise.withResolvers` is not in Node 20. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

describe('discovery by name', () => {
  it('reports an address as starting until its agent has answered', async () => {
    const { world, start, knows, told } = discover()
    world.addresses = ['10.0.0.1']
    await start()
    await knows('10.0.0.1 starting 10.0.0.1')
    world.greetings = { '10.0.0.1': greeting('scout-1', { zone: 'zone-1' }) }
    await knows('scout-1 ready 10.0.0.1')
    expect(told.at(-1)?.peers[0]).toMatchObject({ node: 'node-of-scout-1', namespace: 'scout', zone: 'zone-1' })
  })

  it('merges addresses that answer with the same name, and list each other, into one peer', async () => {
    const { world, start, knows, told } = discover()
    world.addresses = ['10.0.0.1', 'fd00::1']
    const answer = greeting('scout-1', { addresses: ['10.0.0.1', 'fd00::1'] })
    world.greetings = { '10.0.0.1': answer, 'fd00::1': answer }
    await start()
    await knows('scout-1 ready 10.0.0.1,fd00::1')
    expect(told.at(-1)?.trouble).toBeUndefined()
  })

  it.each(['10.0.0.66', 'fd00::66'])(
    'keeps an agent at %s apart that claims the name of another, and reports it',
    async (other) => {
      const { world, start, knows, told } = discover()
      const good = greeting('scout-1', { addresses: ['10.0.0.1', 'fd00::1'] })
      world.addresses = ['10.0.0.1', 'fd00::1']
      world.greetings = { '10.0.0.1': good, 'fd00::1': good }
      await start()
      await knows('scout-1 ready 10.0.0.1,fd00::1')
      world.addresses = [other, '10.0.0.1', 'fd00::1']
      world.greetings = { ...world.greetings, [other]: { ...good, addresses: [...good.addresses, other] } }
      await knows(...[`${other} ready ${other}`, 'scout-1 ready 10.0.0.1,fd00::1'].toSorted())
      expect(
        told
          .at(-1)
          ?.peers.map(({ node }) => node)
          .toSorted(),
      ).toEqual([other, 'node-of-scout-1'].toSorted())
      expect(told.at(-1)?.trouble).toContain(
        `${other} and 10.0.0.1, fd00::1 all claim to be scout-1 in namespace scout`,
      )
      world.addresses = ['10.0.0.1', 'fd00::1']
      await knows('scout-1 ready 10.0.0.1,fd00::1')
      expect(told.at(-1)?.trouble).toBeUndefined()
    },
  )

  it.each(['10.0.0.1', '10.0.0.2'])(
    'gives a name that two claim at once to the first address, even if the one at %s answers last',
    async (last) => {
      const { world, start, knows, told } = discover()
      const { promise, resolve } = withResolvers<Greeting>()
      const answer = greeting('scout-1', { addresses: [] })
      world.addresses = ['10.0.0.2', '10.0.0.1']
      world.greetings = { '10.0.0.1': answer, '10.0.0.2': answer, [last]: promise }
      await start()
      const first = last === '10.0.0.1' ? '10.0.0.2' : '10.0.0.1'
      await knows(...[`${last} starting ${last}`, `scout-1 ready ${first}`].toSorted())
      resolve(answer)
      await knows('10.0.0.2 ready 10.0.0.2', 'scout-1 ready 10.0.0.1')
      expect(told.at(-1)?.trouble).toContain('10.0.0.2 and 10.0.0.1 all claim to be scout-1')
    },
  )

  it('reports an address as ready, so that it can fail, when its agent has not answered for longer than any start takes', async () => {
    const { world, start, knows, told } = discover(50)
    world.addresses = ['10.0.0.1']
    await start()
    await knows('10.0.0.1 starting 10.0.0.1')
    await knows('10.0.0.1 ready 10.0.0.1')
    expect(told.at(-1)?.trouble).toBeUndefined()
  })

  it('uses the addresses of one family while the other is broken, keeps those it knew of the other, and reports it', async () => {
    const { world, start, knows, told } = discover()
    const broken = [{ family: 'ipv6', reason: 'queryAaaa ESERVFAIL scout' }] as const
    world.addresses = ['10.0.0.1']
    world.broken = broken
    await start()
    await knows('10.0.0.1 starting 10.0.0.1')
    expect(told.at(-1)?.trouble).toBe('cannot resolve scout.scout.svc.cluster.local: queryAaaa ESERVFAIL scout')
    world.addresses = ['10.0.0.1', 'fd00::1']
    world.broken = []
    await knows('10.0.0.1 starting 10.0.0.1', 'fd00::1 starting fd00::1')
    expect(told.at(-1)?.trouble).toBeUndefined()
    world.addresses = ['10.0.0.2']
    world.broken = broken
    await knows('10.0.0.2 starting 10.0.0.2', 'fd00::1 starting fd00::1')
    world.addresses = ['10.0.0.2']
    world.broken = []
    await knows('10.0.0.2 starting 10.0.0.2')
  })

  it('omits our own address, and addresses that the name no longer has', async () => {
    const { world, start, knows, names } = discover()
    world.addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.99']
    world.greetings = { '10.0.0.1': greeting('scout-1'), '10.0.0.2': greeting('scout-2') }
    await start()
    await knows('scout-1 ready 10.0.0.1', 'scout-2 ready 10.0.0.2')
    world.addresses = ['10.0.0.2', '10.0.0.99']
    await knows('scout-2 ready 10.0.0.2')
    expect(names()).toHaveLength(1)
  })

  it('notices that an address now belongs to another pod', async () => {
    const { world, start, knows, names } = discover()
    world.addresses = ['10.0.0.1', '10.0.0.2']
    world.greetings = { '10.0.0.1': greeting('scout-1'), '10.0.0.2': greeting('scout-2') }
    await start()
    await knows('scout-1 ready 10.0.0.1', 'scout-2 ready 10.0.0.2')
    world.greetings = { '10.0.0.1': greeting('scout-3'), '10.0.0.2': greeting('scout-4') }
    await knows('scout-3 ready 10.0.0.1', 'scout-4 ready 10.0.0.2')
    expect(names()).toHaveLength(2)
  })

  it('keeps the identity of an agent that stops answering, so that its failure is visible', async () => {
    const { told, world, start, knows, names } = discover()
    world.addresses = ['10.0.0.1']
    world.greetings = { '10.0.0.1': greeting('scout-1') }
    await start()
    await knows('scout-1 ready 10.0.0.1')
    world.greetings = {}
    const before = told.length
    await eventually(() => told.length > before + 3, 'some rounds')
    expect(names()).toEqual(['scout-1 ready 10.0.0.1'])
  })

  it('does not wait for an agent that never answers', async () => {
    const { world, start, knows, names } = discover()
    world.addresses = ['10.0.0.1', '10.0.0.2']
    world.greetings = { '10.0.0.1': 'never', '10.0.0.2': greeting('scout-2') }
    await start()
    await knows('10.0.0.1 starting 10.0.0.1', 'scout-2 ready 10.0.0.2')
    world.addresses = ['10.0.0.1', '10.0.0.3']
    world.greetings = { '10.0.0.3': greeting('scout-3') }
    await knows('10.0.0.1 starting 10.0.0.1', 'scout-3 ready 10.0.0.3')
    expect(names()).toHaveLength(2)
  })

  it('reports a defect in Scout, and that its knowledge is getting old', async () => {
    const { told, world, start, knows } = discover()
    world.failure = new TypeError('not a function')
    await start()
    await eventually(() => told.at(-1)?.trouble !== undefined, 'trouble')
    expect(told.at(-1)?.trouble).toContain('a defect in scout interrupted the lookup of scout.scout.svc')
    expect(world.defects[0]).toBe(world.failure)
    world.failure = undefined
    world.addresses = ['10.0.0.1']
    await knows('10.0.0.1 starting 10.0.0.1')
  })

  it('keeps the known peers while the name server is down, and reports it', async () => {
    const { world, start, knows, told } = discover()
    world.addresses = ['10.0.0.1']
    world.greetings = { '10.0.0.1': greeting('scout-1') }
    await start()
    await knows('scout-1 ready 10.0.0.1')
    const heardAtMs = () => told.at(-1)?.heardAtMs
    world.failure = Object.assign(new Error('queryA ESERVFAIL scout'), { code: 'ESERVFAIL' })
    await eventually(() => told.at(-1)?.trouble !== undefined, 'trouble')
    const before = heardAtMs()
    expect(told.at(-1)).toMatchObject({
      peers: [{ name: 'scout-1' }],
      trouble: 'cannot resolve scout.scout.svc.cluster.local: queryA ESERVFAIL scout',
    })
    expect(heardAtMs()).toBe(before)
    world.failure = undefined
    await eventually(() => told.at(-1)?.trouble === undefined, 'the end of trouble')
  })
})

describe('the addresses of a name', () => {
  const names: Readonly<Record<string, readonly string[]>> = {
    'both.example.org': ['10.0.0.1', 'fd00::1'],
    'v4.example.org': ['10.0.0.1'],
    'none.example.org': [],
  }
  const ask = async (name: string) => {
    const server = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: (asked) => names[asked] })
    onTestFinished(() => server.close())
    return resolveBoth(name, [`127.0.0.1:${server.port}`])
  }

  it.each(Object.entries(names))('are of both families, one or none: %s', async (name, addresses) => {
    await expect(ask(name)).resolves.toEqual({ addresses, broken: [] })
  })

  it('are an error if the name does not exist', async () => {
    await expect(ask('typo.example.org')).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  /** Answers questions of one type with the address, and the other type with this response code, or not at all. */
  const askHalfBroken = async (sound: keyof typeof types, rcode: number | 'silent') => {
    const server = await listenUdp((query, { port, address }, socket) => {
      const type = query.readUInt16BE(query.length - 4)
      if (type === types[sound].code) socket.send(answerTo(query, 0, types[sound].bytes), port, address)
      else if (rcode !== 'silent') socket.send(answerTo(query, rcode), port, address)
    })
    return resolveBoth('scout.test', [`127.0.0.1:${server.address().port}`])
  }

  it.each([
    { sound: 'A', rcode: 2, reason: 'queryAaaa ESERVFAIL scout.test' },
    { sound: 'A', rcode: 3, reason: 'queryAaaa ENOTFOUND scout.test' },
    { sound: 'A', rcode: 'silent', reason: 'queryAaaa ETIMEOUT scout.test' },
    { sound: 'AAAA', rcode: 2, reason: 'queryA ESERVFAIL scout.test' },
  ] as const)(
    'are those of $sound, and the other family is reported as broken: $reason',
    { timeout: 20_000 },
    async ({ sound, rcode, reason }) => {
      const { address, family } = types[sound]
      const other = family === 'ipv4' ? 'ipv6' : 'ipv4'
      expect(await askHalfBroken(sound, rcode)).toEqual({ addresses: [address], broken: [{ family: other, reason }] })
    },
  )
})

const types = {
  A: { code: 1, family: 'ipv4', address: '10.0.0.1', bytes: Buffer.from([10, 0, 0, 1]) },
  AAAA: { code: 28, family: 'ipv6', address: '::1', bytes: Buffer.from([...Array.from({ length: 15 }, () => 0), 1]) },
} as const

/** Returns the answer to a query of one question without EDNS (RFC 1035 §4), with one record of these bytes if there are any. */
function answerTo(query: Buffer, rcode: number, bytes?: Buffer): Buffer {
  const head = Buffer.from(query)
  head.writeUInt16BE(0x8180 | rcode, 2)
  head.writeUInt16BE(bytes === undefined ? 0 : 1, 6)
  if (bytes === undefined) return head
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0)
  query.copy(record, 2, query.length - 4)
  record.writeUInt32BE(60, 6)
  record.writeUInt16BE(bytes.length, 10)
  return Buffer.concat([head, record, bytes])
}

describe('the name of a service', () => {
  it.each([
    { resolvConf: 'search scout.svc.example.org svc.example.org example.org\n', name: 'scout.mon.svc.example.org' },
    { resolvConf: 'nameserver 192.0.2.53\n', name: 'scout.mon.svc.cluster.local' },
  ])('is in the domain of the cluster: $name', ({ resolvConf, name }) => {
    const folder = mkdtempSync(join(tmpdir(), 'scout-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'resolv.conf')
    writeFileSync(path, resolvConf)
    expect(serviceName('scout', 'mon', path)).toBe(name)
  })

  it('is used unchanged if it is a full name', () => {
    expect(serviceName('agents.example.org', undefined)).toBe('agents.example.org')
  })

  it('needs a namespace otherwise', () => {
    expect(() => serviceName('scout', undefined)).toThrow(
      'the namespace of service scout is unknown: set it with --namespace',
    )
  })
})
