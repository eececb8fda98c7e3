import { expect, test } from 'vitest'
import { mountNamespaces, withNames } from '../../../test/support/names.ts'
import { describeWith } from '../../../test/support/requirements.ts'
import { masked } from './support/run-cli.ts'
import { startCli } from './support/start-cli.ts'

/** The first address has a route and nobody there; the second is this host. */
const names = () => withNames({ hosts: 'fd09::dead half.test\n127.0.0.1 half.test\n', addresses: ['fd09::dead'] })

async function finish(...argv: readonly string[]) {
  const cli = startCli(argv, { wrapper: names() })
  const { code } = await cli.exit()
  return { code, out: masked(cli.out()), err: cli.err() }
}

describeWith('ip', mountNamespaces)('a name with several addresses', () => {
  test('is probed at the first, and the result says how many there are', async () => {
    const { code, out, err } = await finish('tcp', 'half.test:9', '-c', '1')
    expect({ code, err }).toEqual({ code: 1, err: '' })
    expect(out).toMatchInlineSnapshot(`
      "tcp probe of half.test:9
      half.test ([fd09::dead]:9, 1 of 2 addresses): seq=1 refused in connect after # ms: tcp probe of half.test:9: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)

      --- half.test:9 tcp statistics ---
      1 sent, 0 received, 100 % loss
      failures: 1 refused
      "
    `)
    const [json = ''] = (await finish('tcp', 'half.test:9', '-c', '1', '--json')).out.split('\n')
    expect(JSON.parse(json)).toMatchObject({ endpoint: { address: 'fd09::dead', addressCount: 2 } })
  })

  test('is probed at every address on demand', async () => {
    const { code, out } = await finish('tcp', 'half.test:9', '-c', '2', '-i', '100ms', '--all-addresses')
    expect(code).toBe(1)
    expect(out).toMatchInlineSnapshot(`
      "tcp probe of half.test:9 at fd09::dead, 2 times, every 100ms
      tcp probe of half.test:9 at 127.0.0.1, 2 times, every 100ms
      half.test ([fd09::dead]:9): seq=1 refused in connect after # ms: tcp probe of half.test:9: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)
      half.test (127.0.0.1:9): seq=1 refused in connect after # ms: tcp probe of half.test:9: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)
      half.test ([fd09::dead]:9): seq=2 refused in connect after # ms: tcp probe of half.test:9: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)
      half.test (127.0.0.1:9): seq=2 refused in connect after # ms: tcp probe of half.test:9: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)

      --- half.test:9 at fd09::dead tcp statistics ---
      2 sent, 0 received, 100 % loss
      failures: 2 refused

      --- half.test:9 at 127.0.0.1 tcp statistics ---
      2 sent, 0 received, 100 % loss
      failures: 2 refused
      "
    `)
  })

  test('is probed at the given address', async () => {
    const { out } = await finish('tcp', 'half.test:9', '-c', '1', '--address', '127.0.0.1')
    expect(out).toContain('\nhalf.test (127.0.0.1:9): seq=1 refused')
  })

  test('is probed at every address by all', async () => {
    const { out } = await finish('all', 'half.test', '-c', '1', '--skip', 'dns', '--skip', 'syn', '--skip', 'http')
    expect(out.replaceAll(/ +# ms/g, ' # ms').replaceAll(/ {2,}/g, '  ')).toMatchInlineSnapshot(`
      "CHECK  ADDRESS  BYTES  PASSED  MEDIAN
      tcp  fd09::dead  0/1  refused in connect: tcp probe of half.test:8081: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)
      udp  fd09::dead  64  0/1  refused in echo: fd09::dead itself answered with ICMP type 1 code 4 (nothing is listening there, or a firewall rejects the port)
      udp-large  fd09::dead  1400  0/1  refused in echo: fd09::dead itself answered with ICMP type 1 code 4 (nothing is listening there, or a firewall rejects the port)
      udp-fragmented  fd09::dead  4000  0/1  refused in echo: fd09::dead itself answered with ICMP type 1 code 4 (nothing is listening there, or a firewall rejects the port)
      icmp  fd09::dead  56  1/1 # ms
      icmp-large  fd09::dead  1400  1/1 # ms
      tcp  127.0.0.1  0/1  refused in connect: tcp probe of half.test:8081: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)
      udp  127.0.0.1  64  0/1  refused in echo: 127.0.0.1 itself answered with ICMP type 3 code 3 (nothing is listening there, or a firewall rejects the port)
      udp-large  127.0.0.1  1400  0/1  refused in echo: 127.0.0.1 itself answered with ICMP type 3 code 3 (nothing is listening there, or a firewall rejects the port)
      udp-fragmented  127.0.0.1  4000  0/1  refused in echo: 127.0.0.1 itself answered with ICMP type 3 code 3 (nothing is listening there, or a firewall rejects the port)
      icmp  127.0.0.1  56  1/1 # ms
      icmp-large  127.0.0.1  1400  1/1 # ms

      4 of 12 passed; failed: tcp at fd09::dead, udp at fd09::dead, udp-large at fd09::dead, udp-fragmented at fd09::dead, tcp at 127.0.0.1, udp at 127.0.0.1, udp-large at 127.0.0.1, udp-fragmented at 127.0.0.1
      "
    `)
  })
})

describeWith('ip', mountNamespaces)('a name whose server is silent', () => {
  test('does not keep the command running after its deadline', async () => {
    const wrapper = withNames({ servers: { '10.9.0.53': { 'silent.test': { A: 'silent', AAAA: 'silent' } } } })
    const startedMs = performance.now()
    const cli = startCli(['tcp', 'silent.test:80', '-c', '1', '--timeout', '500ms'], { wrapper })
    expect(await cli.exit()).toMatchObject({ code: 1 })
    // getaddrinfo waits for 10 s.
    expect(performance.now() - startedMs).toBeLessThan(6_000)
    expect(cli.out()).toContain('unresolved in resolve')
    expect(cli.out()).toContain('10.9.0.53 did not answer in time')
  })
})

describeWith('ip', mountNamespaces)('a query without a server', () => {
  const servers = { '10.9.0.53': { 'www.test': { A: ['10.9.0.2'] } }, '10.9.0.54': {}, 'fd09::53': {} }
  const targetsOf = async (...argv: readonly string[]) => {
    const cli = startCli(['dns', ...argv, '-c', '1'], { wrapper: withNames({ servers }) })
    await cli.exit()
    return [...cli.out().matchAll(/^dns probe of (\S+)$/gm)].map(([, target]) => target)
  }

  test('is for each server of resolv.conf, of the IP version requested', async () => {
    expect(await targetsOf('www.test')).toEqual(['www.test@10.9.0.53', 'www.test@10.9.0.54', 'www.test@fd09::53'])
    expect(await targetsOf('www.test', '-6')).toEqual(['www.test@fd09::53'])
    expect(await targetsOf('www.test@10.9.0.54')).toEqual(['www.test@10.9.0.54'])
  })
})
