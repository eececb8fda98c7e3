import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { assertBuilt } from '../../../../../test/support/built.ts'

/** In a process of its own, which may run out of descriptors. */
const program = `
import { closeSync, openSync } from 'node:fs'
import { createProber, startUdpResponder } from ${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)}
const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
const prober = createProber()
const attempt = async () => {
  const result = await prober.probe('udp', '127.0.0.1:' + responder.port, { timeoutMs: 1000 })
  console.log(result.ok ? 'ok' : result.failure.reason + ' ' + result.failure.code)
}
const taken = []
try {
  for (;;) taken.push(openSync('/dev/null'))
} catch {}
await attempt()
for (const descriptor of taken) closeSync(descriptor)
await attempt()
prober.close()
await responder.close()
`

test('an endpoint is reached again after its socket could not be opened', async () => {
  assertBuilt('packages/core')
  const command = 'ulimit -n 256; exec "$0" --input-type=module --eval "$1"'
  const env = { ...process.env, SCOUT_NATIVE: '0' }
  const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, program], { env })
  expect(stdout).toBe('local-error EMFILE\nok\n')
})
