import { execFileSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { assertBuilt } from '../../../../test/support/built.ts'
import { namespaces } from '../../../../test/support/child.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { loopback, startUnread } from '../support/agent-process.ts'

const peers = Array.from({ length: 4 }, (_, i) => ({ name: `peer-${i}`, addresses: [loopback(100 + i)] }))

describe.each(['json', 'text'] as const)('with a log in %s', (log) => {
  test.each([
    ['is on a full disk', () => ({ stdout: openSync('/dev/full', 'w') })],
    ['has lost its reader', () => ({ stdout: 'gone' as const })],
    ['has a reader that stopped reading', () => ({ stdout: 'stalled' as const })],
  ])('an agent whose log %s goes on, counts the lost lines and ends on a signal', async (_, output) => {
    const host = loopback(log === 'json' ? 1 : 2)
    const agent = await startUnread({ log, interval: '10ms', peers, console: { host, port: 18_080 } }, output().stdout)
    expect(await agent.lostLines()).toBeGreaterThan(0)
    expect((await fetch(`${agent.url}/healthz`)).status).toBe(200)
    const { code, errors, tookMs } = await agent.end('SIGTERM')
    expect([code, errors]).toEqual([0, ''])
    expect(tookMs).toBeLessThan(10_000)
  })
})

testWith(namespaces)('a log goes on in a new line when a full disk has space again', () => {
  assertBuilt('packages/agent')
  const module = fileURLToPath(new URL('../../dist/outputs/log-output.js', import.meta.url))
  const program = `
    import { rmSync, writeFileSync } from 'node:fs'
    const { openLogOutput } = await import(${JSON.stringify(module)})
    const output = openLogOutput()
    output.write('first\\n')
    try { writeFileSync('/mnt/filler', Buffer.alloc(1 << 20)) } catch {}
    for (let i = 0; i < 2000; i++) output.write('a line that does not fit any more\\nnor this\\n')
    rmSync('/mnt/filler')
    output.write('last\\n')
    process.stderr.write(String(output.lost))
  `
  const script = 'mount -t tmpfs -o size=64k tmpfs /mnt && { "$@" >/mnt/log; cat /mnt/log; } 2>&1'
  const args = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh']
  const node = [process.execPath, '--input-type=module', '--eval', program]
  const text = execFileSync('unshare', [...args, ...node], { encoding: 'utf8' })
  const [, lost, lines = ''] = /^(\d+)(first\n[^]*)$/.exec(text) ?? []
  expect(Number(lost)).toBeGreaterThan(1_000)
  expect(lines).toMatch(/^first\n(a line that does not fit any more\nnor this\n)*(.*\n)?last\n$/)
  expect(lines.split('\n').length + Number(lost)).toBeGreaterThan(4_000)
})
