import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from '../../../../../test/support/built.ts'
import { namespaces, startChild, startInNamespace } from '../../../../../test/support/child.ts'
import { mountNamespaces, withNames, type Zone } from '../../../../../test/support/names.ts'
import { describeWith, testWith } from '../../../../../test/support/requirements.ts'
import { literalEndpoint, resolveBySystem } from '../../../src/net/host/resolve.ts'

describe('an address', () => {
  test.for([
    ['127.0.0.1', '127.0.0.1', 'ipv4'],
    ['::1', '::1', 'ipv6'],
    ['0:0:0:0:0:0:0:1', '::1', 'ipv6'],
    ['FD00:0::A', 'fd00::a', 'ipv6'],
    ['fe80:0::1%eth0', 'fe80::1%eth0', 'ipv6'],
    ['::ffff:127.0.0.1', '127.0.0.1', 'ipv4'],
    ['::ffff:7f00:1', '127.0.0.1', 'ipv4'],
    ['0:0:0:0:0:ffff:127.0.0.1', '127.0.0.1', 'ipv4'],
  ] as const)('%s is its own endpoint, in the form %s', ([host, address, family]) => {
    expect(literalEndpoint(host, 'any', 80)).toEqual({ host, address, family, port: 80 })
  })

  test('has no port if the protocol has none', () => {
    expect(literalEndpoint('127.0.0.1', 'any', undefined)).not.toHaveProperty('port')
  })

  test('of the wrong family is unresolved', () => {
    expect(() => literalEndpoint('127.0.0.1', 'ipv6', 80)).toThrow(
      expect.objectContaining({
        reason: 'unresolved',
        message: '127.0.0.1 is an IPv4 address, but IPv6 was requested',
      }),
    )
  })

  test('is not a name', () => {
    expect(literalEndpoint('localhost', 'any', 80)).toBeUndefined()
  })
})

describe('a name', () => {
  test('is resolved as by applications on this host', async () => {
    const found = await resolveBySystem('localhost', 'ipv4', new AbortController().signal)
    expect(found).toContainEqual({ address: '127.0.0.1', family: 'ipv4' })
  })

  testWith('ip', namespaces)('is unresolved if no name server can be reached', async () => {
    const child = await startInNamespace()
    onTestFinished(() => child.close())
    const result = await child.probe('tcp', 'scout.example:80')
    expect(result).toMatchObject({ failure: { reason: 'unresolved', phase: 'resolve', code: 'ECONNREFUSED' } })
    expect(result.ok ? '' : result.failure.message.replace(/: \S+ could/, ': SERVER could')).toMatchInlineSnapshot(
      `"cannot resolve scout.example to an address: SERVER could not be reached (nothing listens there, or this host has no route to it: check /etc/resolv.conf)"`,
    )
  })
})

const server = '10.9.0.53'

describeWith('ip', mountNamespaces)('in a network with its own name servers', () => {
  const start = async (names: Parameters<typeof withNames>[0]) => {
    const child = await startChild(withNames(names))
    onTestFinished(() => child.close())
    return child
  }
  test('a failure says what the name server said', async () => {
    const sayings: readonly (readonly [Zone[string] | undefined, object?])[] = [
      [undefined],
      [{}],
      [{ A: ['10.9.0.2'] }, { family: 'ipv6' }],
      [{ A: 'SERVFAIL', AAAA: 'SERVFAIL' }],
      [{ A: 'REFUSED', AAAA: 'REFUSED' }],
      [{ A: 'FORMERR', AAAA: 'FORMERR' }],
      [{ A: 'NOTIMP', AAAA: 'NOTIMP' }],
      [{ A: 'silent', AAAA: 'silent' }],
      [{ A: ['10.9.0.2'], AAAA: 'silent' }],
      [{ A: [], AAAA: 'SERVFAIL' }],
      [{ A: [], CNAME: 'other.test' }],
    ]
    const entries = sayings.flatMap(([saying], index) =>
      saying === undefined ? [] : [[`n${index}.test`, saying] as const],
    )
    const child = await start({ servers: { [server]: Object.fromEntries(entries) } })
    const sentences: string[] = []
    for (const [index, [, options]] of sayings.entries()) {
      const result = await child.probe('tcp', `n${index}.test:80`, { timeoutMs: 1_000, ...options })
      expect(result).toMatchObject({ ok: false, failure: { reason: 'unresolved', phase: 'resolve' } })
      if (!result.ok) sentences.push(`${result.failure.code}: ${result.failure.message}`)
    }
    expect(`\n${sentences.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      NXDOMAIN: cannot resolve n0.test to an address: 10.9.0.53 answered NXDOMAIN (no such name: check its spelling, namespace and search domains)
      NODATA: cannot resolve n1.test to an address: 10.9.0.53 answered NODATA (the name exists, but has no address)
      NODATA: cannot resolve n2.test to an IPv6 address: 10.9.0.53 answered NODATA (the name exists, but has no IPv6 address)
      SERVFAIL: cannot resolve n3.test to an address: 10.9.0.53 answered SERVFAIL (the server failed to find out: check its log and its upstream servers)
      REFUSED: cannot resolve n4.test to an address: 10.9.0.53 answered REFUSED (the server does not serve this client or zone: check its access lists)
      FORMERR: cannot resolve n5.test to an address: 10.9.0.53 answered FORMERR (the server could not read the query: a device on the path may have altered it)
      NOTIMP: cannot resolve n6.test to an address: 10.9.0.53 answered NOTIMP (the server does not support this kind of query)
      ETIMEDOUT: cannot resolve n7.test to an address: 10.9.0.53 did not answer in time (check /etc/resolv.conf and the path to the server with scout-probe dns)
      ETIMEDOUT: cannot resolve n8.test to an address: 10.9.0.53 did not answer the query for IPv6 addresses in time (check /etc/resolv.conf and the path to the server with scout-probe dns)
      SERVFAIL: cannot resolve n9.test to an address: 10.9.0.53 answered the query for IPv4 addresses with NODATA, 10.9.0.53 answered the query for IPv6 addresses with SERVFAIL (the server failed to find out: check its log and its upstream servers)
      NODATA: cannot resolve n10.test to an address: 10.9.0.53 answered NODATA (the name exists, but has no address)
      "
    `)
  })

  test.for([
    ['0.0.0.0', 'the wildcard address'],
    ['255.255.255.255', 'the broadcast address'],
    ['224.0.0.1', 'a multicast address'],
  ] as const)('a name of %s is not probed, because the kernel would send it elsewhere', async ([address, kind]) => {
    const child = await start({ servers: { [server]: { 'sunk.test': { A: [address] } } } })
    for (const [protocol, target] of [
      ['tcp', 'sunk.test:80'],
      ['icmp', 'sunk.test'],
      ['udp', 'sunk.test:80'],
    ] as const)
      expect(await child.probe(protocol, target, { timeoutMs: 1_000 })).toMatchObject({
        failure: {
          reason: 'local-error',
          message: expect.stringContaining(`${address} is ${kind}`),
        },
      })
  })

  test('a failure names every server that failed, and the search domain', async () => {
    const child = await start({
      servers: { [server]: { 'db.a.test': { A: 'SERVFAIL', AAAA: 'SERVFAIL' } }, '10.9.0.54': {} },
      resolvConf: `nameserver ${server}\nnameserver 10.9.0.55\nsearch a.test\noptions ndots:5 attempts:1\n`,
    })
    const result = await child.probe('tcp', 'db:80', { timeoutMs: 1_000 })
    expect(result.ok ? '' : result.failure.message).toMatchInlineSnapshot(
      `"cannot resolve db to an address: 10.9.0.53 answered the query for db.a.test with SERVFAIL, 10.9.0.55 could not be reached (nothing listens there, or this host has no route to it: check /etc/resolv.conf)"`,
    )
  })

  test.for([
    ['in this thread', '{}'],
    ['in a separate thread', '{ worker: true }'],
  ])('a silent server delays no other name, and nothing of it outlives the deadline, %s', async ([, options]) => {
    const zone = { 'good.test': { A: ['127.0.0.1'] }, 'silent.test': { A: 'silent', AAAA: 'silent' } } as const
    // Slower than any deadline here, as getaddrinfo is: it waits for 10 s.
    const { results, goodMs, endedMs } = await run(
      { servers: { [server]: zone } },
      `const { createProber } = await import(process.argv[1])
      const prober = createProber(${options})
      const startedMs = performance.now()
      const silent = Array.from({ length: 8 }, () => prober.probe('tcp', 'silent.test:9', { timeoutMs: 1500 }))
      const good = await prober.probe('tcp', 'good.test:9', { timeoutMs: 1000 })
      const goodMs = performance.now() - startedMs
      const results = [good, ...(await Promise.all(silent))].map(({ failure }) => failure.reason)
      prober.close()
      process.on('exit', () => console.log(JSON.stringify({ results, goodMs, endedMs: performance.now() - startedMs })))`,
    )
    expect(results).toEqual(['refused', ...Array.from({ length: 8 }, () => 'unresolved')])
    expect(goodMs).toBeLessThan(1_000)
    expect(endedMs).toBeLessThan(4_000)
  })

  test('one thread resolves while getaddrinfo of the process is stuck', async () => {
    const zone = { 'good.test': { A: ['127.0.0.1'] }, 'silent.test': { A: 'silent', AAAA: 'silent' } } as const
    const { reason } = await run(
      { servers: { [server]: zone } },
      `const { createProber } = await import(process.argv[1])
      const { lookup } = await import('node:dns/promises')
      for (let i = 0; i < 8; i++) lookup('silent.test').catch(() => {})
      const prober = createProber()
      const { failure } = await prober.probe('tcp', 'good.test:9', { timeoutMs: 2000 })
      console.log(JSON.stringify({ reason: failure.reason }))
      process.exit()`,
    )
    expect(reason).toBe('refused')
  })

  test('a shortage of descriptors is what fails, with its remedy, however many are left, and never a server', async () => {
    const { results } = await run(
      { servers: { [server]: { 'one.test': { A: ['127.0.0.1'] } } } },
      `const { closeSync, openSync } = await import('node:fs')
      const { createProber, outcomeOf } = await import(process.argv[1])
      // Later, because Node needs descriptors to load its modules.
      await createProber().probe('dns', 'one.test@${server}', { transport: 'tcp', timeoutMs: 50 })
      ;(await import('node:child_process')).execSync('prlimit --nofile=100 --pid ' + process.pid)
      const attempts = [
        ['tcp', 'one.test:9'],
        ['dns', 'one.test@${server}'],
        ['dns', 'one.test@${server}', { transport: 'tcp' }],
      ]
      const results = []
      for (let left = 0; left <= 8; left++)
        for (const [protocol, target, options] of attempts) {
          // Its first packet would open the sockets of later attempts.
          const own = createProber()
          const taken = []
          try {
            for (;;) taken.push(openSync('/dev/null'))
          } catch {}
          for (const fd of taken.splice(0, left)) closeSync(fd)
          const result = await own.probe(protocol, target, { timeoutMs: 3000, ...options })
          for (const fd of taken) closeSync(fd)
          own.close()
          const { reason = 'ok', message } = result.failure ?? {}
          results.push({ protocol, left, outcome: outcomeOf(result), reason, message })
        }
      console.log(JSON.stringify({ results }))
      process.exit()`,
    )
    for (const { protocol, left, outcome, reason, message } of results) {
      const isShort = reason === 'local-error'
      if (left === 0) expect([protocol, left, isShort, message]).toEqual([protocol, left, true, message])
      if (isShort) {
        expect(outcome).toBe('inconclusive')
        expect(message).toMatch(/EMFILE \(this process has reached its limit of open files .*raise the limit/)
      } else expect([protocol, left, reason]).toEqual([protocol, left, expect.stringMatching(/^(ok|refused)$/)])
    }
    expect(results.at(-3)).toMatchObject({ protocol: 'tcp', reason: 'refused' })
  })

  const asked = { A: ['10.9.0.2'], AAAA: ['fd09::2'] }
  test.for<[what: string, name: string, names: Parameters<typeof withNames>[0]]>([
    [
      'of the hosts file',
      'one.test',
      { hosts: '10.9.0.2 One.test alias\nfd09::2 one.test # first\n10.9.0.3 other one.test\n' },
    ],
    ['of the hosts file by an alias', 'alias', { hosts: '10.9.0.2 one.test alias\n' }],
    [
      'of the hosts file before name servers',
      'one.test',
      { hosts: '10.9.0.9 one.test\n', servers: { [server]: { 'one.test': asked } } },
    ],
    ['of name servers', 'one.test', { servers: { [server]: { 'one.test': asked } } }],
    ['with a final dot', 'one.test.', { servers: { [server]: { 'one.test': asked } } }],
    ['behind an alias', 'one.test', { servers: { [server]: { 'one.test': { ...asked, CNAME: 'two.test' } } } }],
    ['with a dangling alias', 'one.test', { servers: { [server]: { 'one.test': { CNAME: 'two.test' } } } }],
    [
      'of one family while the other fails',
      'one.test',
      { servers: { [server]: { 'one.test': { ...asked, AAAA: 'SERVFAIL' } } } },
    ],
    [
      'of one family while the other does not exist',
      'one.test',
      { servers: { [server]: { 'one.test': { ...asked, AAAA: 'NXDOMAIN' } } } },
    ],
    [
      'of the second server when the first fails',
      'one.test',
      {
        servers: { [server]: { 'one.test': { A: 'SERVFAIL', AAAA: 'SERVFAIL' } }, '10.9.0.54': { 'one.test': asked } },
      },
    ],
    [
      'of the second server when the first refuses',
      'one.test',
      { servers: { [server]: { 'one.test': { A: 'REFUSED', AAAA: 'REFUSED' } }, '10.9.0.54': { 'one.test': asked } } },
    ],
    [
      'not of the second server when the first knows no such name',
      'one.test',
      { servers: { [server]: {}, '10.9.0.54': { 'one.test': asked } } },
    ],
    [
      'of the second server when nothing listens at the first',
      'one.test',
      {
        addresses: ['10.9.0.9'],
        servers: { [server]: { 'one.test': asked } },
        resolvConf: `nameserver 10.9.0.9\nnameserver ${server}\n`,
      },
    ],
    ...(['db', 'db.ns', 'db.ns.svc', 'db.ns.svc.cluster.test', 'example.test', 'db.'] as const).map(
      (name): [string, string, object] => [
        'by the search domains of a pod',
        name,
        {
          servers: {
            [server]: {
              'db.ns.svc.cluster.test': { A: ['10.9.1.1'] },
              'db.svc.cluster.test': { A: ['10.9.1.2'] },
              'example.test': { A: ['10.9.1.3'] },
              'example.test.cluster.test': { A: ['10.9.1.4'] },
            },
          },
          resolvConf: `nameserver ${server}\nsearch ns.svc.cluster.test svc.cluster.test cluster.test\noptions ndots:5\n`,
        },
      ],
    ),
    [
      'by a search domain after a server failure in another',
      'db',
      {
        servers: { [server]: { 'db.a.test': { A: 'SERVFAIL', AAAA: 'SERVFAIL' }, 'db.b.test': asked } },
        resolvConf: `nameserver ${server}\nsearch a.test b.test\n`,
      },
    ],
    [
      'as it is first, with enough dots',
      'db.a',
      {
        servers: { [server]: { 'db.a': { A: ['10.9.1.1'] }, 'db.a.b.test': asked } },
        resolvConf: `nameserver ${server}\nsearch b.test\n`,
      },
    ],
    ['without the family that has no route', 'one.test', { hosts: '2001:db8::1 one.test\n127.0.0.2 one.test\n' }],
    [
      'with both families',
      'one.test',
      {
        hosts: '10.9.0.9 one.test\n2001:db8::1 one.test\nfd09::1 one.test\n',
        addresses: ['10.9.0.9', '2001:db8::1', 'fd09::1'],
      },
    ],
    [
      'with ULA and IPv4 only',
      'one.test',
      { hosts: '10.9.0.9 one.test\nfd09::1 one.test\n', addresses: ['10.9.0.9', 'fd09::1'] },
    ],
    [
      'with loopback',
      'one.test',
      { hosts: '10.9.0.9 one.test\n127.0.0.1 one.test\n::1 one.test\n', addresses: ['10.9.0.9'] },
    ],
    [
      'of another source of nsswitch.conf',
      '0x7f.1',
      { servers: { [server]: {} }, nsswitch: 'hosts: files dns myhostname\n' },
    ],
  ])('has the addresses of getaddrinfo: %s, %s', async ([, name, names]) => {
    const found = await run(
      names,
      `const { resolveBySystem } = await import(process.argv[1])
      const { lookup } = await import('node:dns/promises')
      const name = ${JSON.stringify(name)}
      const signal = new AbortController().signal
      // glibc lists 127.0.0.1 twice where the hosts file has ::1, too.
      const addresses = (found) => [...new Set(found.map(({ address }) => address))]
      const found = {}
      for (const [family, number] of [['any', 0], ['ipv4', 4], ['ipv6', 6]]) {
        found[family] = {
          scout: await resolveBySystem(name, family, signal).then(addresses, () => []),
          system: await lookup(name, { family: number, all: true, order: 'verbatim' }).then(addresses, () => []),
        }
      }
      console.log(JSON.stringify(found))`,
    )
    for (const family of ['any', 'ipv4', 'ipv6'])
      expect([family, found[family].scout]).toEqual([family, found[family].system])
  })
})

/** Runs a script in a network of its own and returns the JSON that it prints. */
async function run(names: Parameters<typeof withNames>[0], script: string) {
  assertBuilt('packages/core')
  const core = new URL('../../../dist/index.js', import.meta.url).href
  const [file, ...args] = [...withNames(names), process.execPath, '--input-type=module', '-e', script, core]
  const { stdout } = await promisify(execFile)(file, args)
  return JSON.parse(stdout)
}
