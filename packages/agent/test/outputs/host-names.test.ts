import { expect, test } from 'vitest'
import { createHostCheck, ownNames } from '../../src/outputs/host-names.ts'

const own = { name: 'scout-x', namespace: 'probes', node: 'worker-1', service: 'scout', domain: 'cluster.local' }

test('the names of an agent are those of its pod, its node and its Service', () => {
  expect(ownNames(own)).toEqual([
    'scout-x',
    'worker-1',
    'scout',
    'scout.probes',
    'scout.probes.svc',
    'scout.probes.svc.cluster.local',
    'scout-x.scout',
    'scout-x.scout.probes',
    'scout-x.scout.probes.svc',
    'scout-x.scout.probes.svc.cluster.local',
  ])
})

test('outside a cluster they end at the Service', () => {
  expect(ownNames({ ...own, namespace: undefined, domain: undefined })).toEqual([
    'scout-x',
    'worker-1',
    'scout',
    'scout-x.scout',
  ])
})

test.each([
  [undefined, true],
  ['localhost', true],
  ['Worker-1:8080', true],
  ['scout.probes.svc.cluster.local.', true],
  ['192.0.2.1:8080', true],
  ['[2001:db8::1]', true],
  ['[2001:db8::1]:80', true],
  ['', false],
  ['worker-1.attacker.example', false],
  ['attacker.example:8080', false],
  ['192.0.2.1.attacker.example', false],
  ['2001:db8::1', false],
  ['[attacker]', false],
  ['worker-1:80:80', false],
  ['a@worker-1', false],
])('of the host %s it says %s', (host, isOwn) => {
  expect(createHostCheck(ownNames(own))(host)).toBe(isOwn)
})
