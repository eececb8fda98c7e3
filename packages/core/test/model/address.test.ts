import { describe, expect, test } from 'vitest'
import { canonicalAddress, whyUnusable } from '../../src/model/address.ts'

describe('an address', () => {
  test.for([
    ['127.0.0.1', '127.0.0.1', 'ipv4'],
    ['0:0:0:0:0:0:0:1', '::1', 'ipv6'],
    ['FD00:0::A', 'fd00::a', 'ipv6'],
    ['fe80:0::1%eth0', 'fe80::1%eth0', 'ipv6'],
    ['::ffff:10.9.0.2', '10.9.0.2', 'ipv4'],
    ['::FFFF:a09:2', '10.9.0.2', 'ipv4'],
    ['0:0:0:0:0:ffff:10.9.0.2', '10.9.0.2', 'ipv4'],
  ] as const)('%s is %s', ([text, address, family]) => {
    expect(canonicalAddress(text)).toEqual({ address, family })
  })

  test.for(['010.9.0.2', '10.9', 'scout', '', 'fd00::g', '[fd00::1]'])('"%s" is none', (text) => {
    expect(canonicalAddress(text)).toBeUndefined()
  })
})

test('every address of one host is usable, and no other', () => {
  const verdicts = [
    '10.0.0.1',
    '223.1.1.1',
    'fd00::1',
    '::1',
    'fe80::1%2',
    'febf::1',
    'fec0::1',
    'ff02::1%2',
    '239.1.1.1',
  ]
  expect(verdicts.filter((address) => whyUnusable({ address, family: familyOf(address) }) === undefined)).toEqual([
    '10.0.0.1',
    '223.1.1.1',
    'fd00::1',
    '::1',
    'fe80::1%2',
    'fec0::1',
  ])
})

function familyOf(address: string) {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
