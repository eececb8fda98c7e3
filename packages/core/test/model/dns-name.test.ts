import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dnsLabels } from '../../src/model/dns-name.ts'

test.for([
  ['.', []],
  ['scout.example.', ['scout', 'example']],
  ['0/25.2.0.192.in-addr.arpa', ['0/25', '2', '0', '192', 'in-addr', 'arpa']],
  ['_services._dns-sd._udp.local', ['_services', '_dns-sd', '_udp', 'local']],
  ['Front desk, 2nd.floor._ipp._tcp.local', ['Front desk, 2nd', 'floor', '_ipp', '_tcp', 'local']],
  ['Front\\032desk\\.._ipp._tcp.local', ['Front desk.', '_ipp', '_tcp', 'local']],
  ['münchen.example', ['xn--mnchen-3ya', 'example']],
  ['Büro._ipp._tcp.local', ['Büro', '_ipp', '_tcp', 'local']],
  ['a\\\\.b', ['a\\', 'b']],
] as const)('%s has the labels %j', ([name, labels]) => {
  expect(dnsLabels(name)?.map((label) => Buffer.from(label).toString())).toEqual(labels)
})

test.for([
  ['nothing', ''],
  ['an empty label', 'a..b'],
  ['a dot before the first label', '.a'],
  ['a label of 64 bytes', 'a'.repeat(64)],
  ['a label of 64 bytes in UTF-8', `${'ü'.repeat(32)}._tcp`],
  ['a name of 256 bytes', `${'a.'.repeat(127)}a`],
  ['an escape without a character', 'a\\'],
  ['a byte that does not exist', 'a\\256'],
  ['a line break', 'a\nb'],
  ['a URL', 'http://scout.example/'],
])('%s is no name', ([, name = '']) => {
  expect(dnsLabels(name)).toBeUndefined()
})

test('any text is a name whose labels fit on the wire, or none', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom(...'a.\\0129_-ü ') }))
  fc.assert(
    fc.property(text, (name) => {
      const labels = dnsLabels(name) ?? []
      expect(labels.every(({ length }) => length > 0 && length < 64)).toBe(true)
      expect(labels.reduce((sum, { length }) => sum + 1 + length, 1)).toBeLessThanOrEqual(255)
    }),
  )
})
