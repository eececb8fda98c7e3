import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { nativePart, testWith } from '../../../../../test/support/requirements.ts'

testWith('g++', nativePart)('a control message that claims more than there is is read to the end of its buffer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const native = path('../../../native')
  const program = join(folder, 'control')
  const sources = [path('control.c'), join(native, 'control.c')]
  execFileSync('cc', ['-D_GNU_SOURCE', '-O1', `-I${native}`, ...sources, '-o', program], { stdio: 'pipe' })
  // Kinds, and the bytes that each needs.
  expect(execFileSync(program, { encoding: 'utf8' })).toMatchInlineSnapshot(`
    "SO_TIMESTAMPING 48
    IP_TTL 1
    IP_TOS 1
    IP_PKTINFO 12
    IP_RECVERR 16
    IPV6_HOPLIMIT 1
    IPV6_TCLASS 1
    IPV6_PKTINFO 20
    IPV6_RECVERR 16
    "
  `)
})
