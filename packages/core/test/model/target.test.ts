import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalAddress, whyUnusable } from '../../src/model/address.ts'
import { ScoutError } from '../../src/model/errors.ts'
import { formatHostPort, parseTarget, type TargetForm } from '../../src/model/target.ts'

const defaults = { nameServer: () => '10.96.0.10' }
const forms: readonly TargetForm[] = ['host', 'host:port', 'host[:port]', 'url', 'name@server']

describe('a valid target', () => {
  test.for<[TargetForm, string, object]>([
    ['host', '10.244.1.31', { host: '10.244.1.31' }],
    ['host[:port]', 'fd00::1', { host: 'fd00::1' }],
    ['host[:port]', '[fd00::1]:8081', { host: 'fd00::1', port: 8081 }],
    ['host', '  scout.default.svc. ', { text: 'scout.default.svc.', host: 'scout.default.svc.' }],
    ['host', 'fd00::1', { host: 'fd00::1' }],
    ['host', '[fd00::1]', { text: '[fd00::1]', host: 'fd00::1' }],
    ['host', 'fe80::1%eth0', { host: 'fe80::1%eth0' }],
    ['host', '_sip._udp.example', { host: '_sip._udp.example' }],
    ['host:port', '10.244.1.31:8081', { host: '10.244.1.31', port: 8081 }],
    ['host:port', 'scout:1', { host: 'scout', port: 1 }],
    ['host:port', '[fd00::1]:65535', { host: 'fd00::1', port: 65535 }],
    ['host:port', '[fe80::1%eth0]:80', { host: 'fe80::1%eth0', port: 80 }],
    ['host[:port]', '10.244.1.31:8081', { host: '10.244.1.31', port: 8081 }],
    ['host[:port]', 'fd00::1', { host: 'fd00::1' }],
    ['url', '10.244.1.31', { host: '10.244.1.31', port: 80 }],
    ['url', 'scout:8081/path?query', { host: 'scout', port: 8081 }],
    ['url', 'https://scout', { host: 'scout', port: 443 }],
    ['url', 'https://[fd00::1]:6443/livez', { host: 'fd00::1', port: 6443 }],
    ['url', 'http://[fe80::1%eth0]:8081/', { host: 'fe80::1%eth0', port: 8081 }],
    ['url', 'http://[fe80::1%25eth0]/', { host: 'fe80::1%eth0', port: 80 }],
    ['url', '[fe80::1%2]:8081', { host: 'fe80::1%2', port: 8081 }],
    ['url', 'scout:8081/go?to=http://example.org/', { host: 'scout', port: 8081 }],
    ['url', 'scout/go?to=a@b', { host: 'scout', port: 80 }],
    ['url', 'HTTPS://scout#a://b', { host: 'scout', port: 443 }],
    ['name@server', 'scout.', { text: 'scout.@10.96.0.10', name: 'scout.', host: '10.96.0.10', port: 53 }],
    ['name@server', 'example.@[fd00::a]:5353', { name: 'example.', host: 'fd00::a', port: 5353 }],
    ['name@server', '.@10.0.0.1', { name: '.', host: '10.0.0.1', port: 53 }],
    ['name@server', '10.0.0.7@10.0.0.1', { name: '10.0.0.7', host: '10.0.0.1' }],
    ['name@server', 'fd00::7@10.0.0.1', { name: 'fd00::7', host: '10.0.0.1' }],
  ])('%s: %s', ([form, text, expected]) => {
    expect(parseTarget(form, text, defaults)).toMatchObject({ text: text.trim(), ...expected })
  })
})

test('rejects an invalid target with its value and the remedy', () => {
  const sentences = (
    [
      ['host', ''],
      ['host', '10.244.1.310'],
      ['host', '10.244.1.31:80'],
      ['host', 'with space'],
      ['host', '0.0.0.0'],
      ['host', '010.9.0.2'],
      ['host', '::ffff:0.0.0.0'],
      ['host', '255.255.255.255'],
      ['host', '224.0.0.1'],
      ['host', 'FE80:0::1'],
      ['host', 'ff02::1%eth0'],
      ['host:port', '10.244.1.31'],
      ['host:port', 'fd00::1'],
      ['host:port', '10.244.1.31:'],
      ['host:port', '10.244.1.31:0'],
      ['host:port', '10.244.1.31:65536'],
      ['host:port', '10.244.1.31:http'],
      ['host:port', 'fd00:::1:80'],
      ['host:port', '[fd00::g]:80'],
      ['host:port', '[::]:80'],
      ['url', 'http://'],
      ['url', 'http://fd00::1/'],
      ['url', 'http://10.244.1.31:99999/'],
      ['url', 'http://10.244.1.31:0/'],
      ['url', 'ftp://10.244.1.31/'],
      ['url', 'http://user:secret@10.244.1.31/'],
      ['url', 'http://user@10.244.1.31/'],
      ['url', 'http://:secret@10.244.1.31/'],
      ['url', 'http://10.244.1.31:/'],
      ['url', 'http:/10.244.1.31/'],
      ['url', 'http://010.9.0.2/'],
      ['url', 'http://10.9/'],
      ['url', 'http://0x7f.0.0.1/'],
      ['url', 'http://[fe80::1]/'],
      ['url', 'http://[10.0.0.1%eth0]/'],
      ['name@server', '@10.96.0.10'],
      ['name@server', `${'a'.repeat(64)}.example`],
      ['name@server', `${'a.'.repeat(126)}ab`],
      ['name@server', 'example@10.96.0.10:dns'],
    ] satisfies [TargetForm, string][]
  ).map(([form, text]) => {
    const error = thrownBy(() => parseTarget(form, text, defaults))
    expect(error).toMatchObject({ name: 'ScoutError', code: 'invalid-target' })
    return `${form}: ${error.message}`
  })
  expect(`\n${sentences.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    host: cannot probe "": "" is neither an address nor a host name
    host: cannot probe "10.244.1.310": "10.244.1.310" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros
    host: cannot probe "10.244.1.31:80": "10.244.1.31:80" is neither an address nor a host name
    host: cannot probe "with space": "with space" is neither an address nor a host name
    host: cannot probe "0.0.0.0": 0.0.0.0 is the wildcard address: name a specific address
    host: cannot probe "010.9.0.2": "010.9.0.2" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros
    host: cannot probe "::ffff:0.0.0.0": 0.0.0.0 is the wildcard address: name a specific address
    host: cannot probe "255.255.255.255": 255.255.255.255 is the broadcast address: name a specific address
    host: cannot probe "224.0.0.1": 224.0.0.1 is a multicast address: name the address of one host
    host: cannot probe "FE80:0::1": fe80::1 is a link-local address, which is valid on each interface: name the interface, as in fe80::1%eth0
    host: cannot probe "ff02::1%eth0": ff02::1%eth0 is a multicast address: name the address of one host
    host:port: cannot probe "10.244.1.31": the port is missing: write 10.244.1.31:8081
    host:port: cannot probe "fd00::1": the port is missing: write [fd00::1]:8081
    host:port: cannot probe "10.244.1.31:": the port is missing after the colon
    host:port: cannot probe "10.244.1.31:0": port 0 is not between 1 and 65535
    host:port: cannot probe "10.244.1.31:65536": port 65536 is not between 1 and 65535
    host:port: cannot probe "10.244.1.31:http": port "http" is not a number
    host:port: cannot probe "fd00:::1:80": it is neither an IPv6 address nor host:port: write [fd00::1]:8081
    host:port: cannot probe "[fd00::g]:80": "fd00::g" is not an IPv6 address
    host:port: cannot probe "[::]:80": :: is the wildcard address: name a specific address
    url: cannot probe "http://": it is not a URL: write http://10.244.1.31:8081/ (with an IPv6 address in brackets)
    url: cannot probe "http://fd00::1/": it is not a URL: write http://10.244.1.31:8081/ (with an IPv6 address in brackets)
    url: cannot probe "http://10.244.1.31:99999/": it is not a URL: write http://10.244.1.31:8081/ (with an IPv6 address in brackets)
    url: cannot probe "http://10.244.1.31:0/": port 0 is not between 1 and 65535
    url: cannot probe "ftp://10.244.1.31/": the scheme ftp is not supported: use http or https
    url: cannot probe "http://user:secret@10.244.1.31/": user names in URLs are not supported: set the authorization header instead
    url: cannot probe "http://user@10.244.1.31/": user names in URLs are not supported: set the authorization header instead
    url: cannot probe "http://:secret@10.244.1.31/": user names in URLs are not supported: set the authorization header instead
    url: cannot probe "http://10.244.1.31:/": the port is missing after the colon
    url: cannot probe "http:/10.244.1.31/": the port is missing after the colon
    url: cannot probe "http://010.9.0.2/": "010.9.0.2" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros
    url: cannot probe "http://10.9/": "10.9" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros
    url: cannot probe "http://0x7f.0.0.1/": "0x7f.0.0.1" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros
    url: cannot probe "http://[fe80::1]/": fe80::1 is a link-local address, which is valid on each interface: name the interface, as in fe80::1%eth0
    url: cannot probe "http://[10.0.0.1%eth0]/": it is not a URL: write http://10.244.1.31:8081/ (with an IPv6 address in brackets)
    name@server: cannot probe "@10.96.0.10": "" is not a DNS name: use labels of 1 to 63 characters, 253 in total
    name@server: cannot probe "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example" is not a DNS name: use labels of 1 to 63 characters, 253 in total
    name@server: cannot probe "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.ab": "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.ab" is not a DNS name: use labels of 1 to 63 characters, 253 in total
    name@server: cannot probe "10.96.0.10:dns": port "dns" is not a number
    "
  `)
})

test('the zone of an address is not part of the URL, and so not of the Host header', () => {
  expect(parseTarget('url', 'http://[fe80::1%25eth0]:8081/path', defaults).url.href).toBe('http://[fe80::1]:8081/path')
})

describe('any text', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(...'019af:.[]@%/-_* ') }),
    fc.webUrl(),
    fc.ipV6(),
    fc.tuple(fc.domain(), fc.integer()).map(([host, port]) => `${host}:${port}`),
  )

  test.for(forms)('as %s is parsed or rejected with a ScoutError', (form) => {
    fc.assert(
      fc.property(text, (written) => {
        try {
          const target = parseTarget(form, written, defaults)
          // Parsing the parsed target's text again yields the same target.
          expect(parseTarget(form, target.text, defaults)).toEqual(target)
        } catch (error) {
          if (!(error instanceof ScoutError)) throw error
          expect(error.message).toMatch(/^cannot probe ".*": /s)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('host and port survive being formatted and parsed', () => {
    const isUsable = (written: string) => {
      const address = canonicalAddress(written)
      return address === undefined || whyUnusable(address) === undefined
    }
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()).filter(isUsable)
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (written, port) => {
        expect(parseTarget('host:port', formatHostPort(written, port), defaults)).toMatchObject({ host: written, port })
      }),
    )
  })
})

function thrownBy(action: () => unknown): Error {
  try {
    action()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('nothing was thrown')
}
