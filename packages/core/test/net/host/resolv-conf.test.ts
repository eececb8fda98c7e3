import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nameServersOf, readResolvConf } from '../../../src/net/host/resolv-conf.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'scout-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test.for<[what: string, text: string, server: string]>([
  ['the first', 'nameserver 10.96.0.10\nnameserver fd00::a\n', '10.96.0.10'],
  ['among other lines', 'search default.svc\n\tnameserver\t10.0.0.1 \noptions ndots:5\n', '10.0.0.1'],
  ['with its zone', 'nameserver fe80::1%eth0', 'fe80::1%eth0'],
  ['not in a comment', '# nameserver 10.0.0.1\n;nameserver 10.0.0.2\n', '127.0.0.1'],
  ['this host if there is none', 'nameserver\nsearch default.svc\n', '127.0.0.1'],
])('the name server is %s', ([, text, server]) => {
  const path = join(folder, 'resolv.conf')
  writeFileSync(path, text)
  expect(nameServersOf(readResolvConf(path))[0]).toBe(server)
})

test('the name server is this host if there is no file', () => {
  expect(nameServersOf(readResolvConf(join(folder, 'absent')))[0]).toBe('127.0.0.1')
})

test('reads all name servers, and the search domains of the last such line', () => {
  const path = join(folder, 'resolv.conf')
  writeFileSync(
    path,
    'domain old.example\nnameserver 10.96.0.10\nsearch  a.svc.example \tsvc.example\nnameserver fd00::a\n',
  )
  expect(readResolvConf(path)).toMatchObject({
    nameServers: ['10.96.0.10', 'fd00::a'],
    searchDomains: ['a.svc.example', 'svc.example'],
  })
  expect(readResolvConf(join(folder, 'absent'))).toEqual({
    nameServers: [],
    searchDomains: [],
    dots: 1,
    timeoutMs: 5_000,
    attempts: 2,
  })
})

test.for([
  ['options ndots:5 timeout:2 attempts:3', { dots: 5, timeoutMs: 2_000, attempts: 3 }],
  ['options ndots:5\noptions timeout:2 rotate', { dots: 5, timeoutMs: 2_000, attempts: 2 }],
  ['options ndots:99 timeout:99 attempts:99', { dots: 15, timeoutMs: 30_000, attempts: 5 }],
  ['options timeout:0 attempts:0', { dots: 1, timeoutMs: 1_000, attempts: 1 }],
  ['options ndots:x timeout: attempts', { dots: 1, timeoutMs: 5_000, attempts: 2 }],
] as const)('reads %j within the limits of glibc', ([text, options]) => {
  const path = join(folder, 'resolv.conf')
  writeFileSync(path, text)
  expect(readResolvConf(path)).toMatchObject(options)
})
