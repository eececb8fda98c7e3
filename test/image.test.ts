import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { assertBuilt } from './support/built.ts'

const bundler = fileURLToPath(new URL('../scripts/image/bundle.mjs', import.meta.url))
const listAtExit = "data:text/javascript,process.on('exit', () => console.error(process.moduleLoadList.join('\\n')))"

test('the agent of the image needs no packages, has the page, and loads no client of Node that it does not use', () => {
  for (const folder of ['packages/core', 'packages/agent', 'packages/cli']) assertBuilt(folder)
  const folder = mkdtempSync(join(tmpdir(), 'scout-image-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  execFileSync(process.execPath, [bundler, folder])
  expect(readdirSync(join(folder, 'packages/agent/dist/web'))).toEqual(['assets', 'index.html'])
  const agent = join(folder, 'bin/scout-agent')
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', listAtExit, agent, '--help'], {
    encoding: 'utf8',
  })
  expect(stdout).toMatch(/^usage: scout-agent/)
  expect(stderr).toContain('NativeModule http')
  // Node has it since version 22.
  expect(stderr).not.toContain('internal/deps/undici')
}, 30_000)
