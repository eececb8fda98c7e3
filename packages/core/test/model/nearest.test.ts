import { expect, test } from 'vitest'
import { nearest } from '../../src/model/nearest.ts'

const words = ['http', 'tcp', 'udp', 'icmp', 'dns', 'payloadBytes']

test.for([
  ['tpc', 'tcp'],
  ['TCP', 'tcp'],
  ['htp', 'http'],
  ['icpm', 'icmp'],
  ['payload-bytes', 'payloadBytes'],
  ['payloadSize', 'payloadBytes'],
] as const)('takes %s for %s', ([word, meant]) => {
  expect(nearest(word, words)).toBe(meant)
})

test.for(['bittorrent', '', 'zzz'])('finds nothing near "%s"', (word) => {
  expect(nearest(word, words)).toBeUndefined()
})

test('does not suggest a word that shares no letter', () => {
  expect(nearest('MX', ['A', 'SRV'])).toBeUndefined()
})

test('returns undefined without candidates', () => {
  expect(nearest('tcp', [])).toBeUndefined()
})
