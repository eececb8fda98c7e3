import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nameServersOf } from '../../src/net/resolv-conf.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'scout-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test.for<[what: string, text: string, servers: readonly string[]]>([
  ['in their order', 'nameserver 10.96.0.10\nnameserver fd00::a\n', ['10.96.0.10', 'fd00::a']],
  ['among other lines', 'search default.svc\n\tnameserver\t10.0.0.1 \noptions ndots:5\n', ['10.0.0.1']],
  ['with a zone', 'nameserver fe80::1%eth0', ['fe80::1%eth0']],
  ['and not in comments', '# nameserver 10.0.0.1\n;nameserver 10.0.0.2\n', []],
  ['and not where none is named', 'nameserver\nsearch default.svc\n', []],
])('finds name servers %s', ([, text, servers]) => {
  const path = join(folder, 'resolv.conf')
  writeFileSync(path, text)
  expect(nameServersOf(path)).toEqual(servers)
})

test('finds none where there is no file', () => {
  expect(nameServersOf(join(folder, 'absent'))).toEqual([])
})
