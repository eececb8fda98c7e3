import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const scripts = fileURLToPath(new URL('../scripts', import.meta.url))

test('packages that failed to build without a compiler are reinstalled once there is one, and only once', () => {
  const checkout = emptyCheckout()
  expect([checkout.install(), checkout.install()]).toEqual(['ci', undefined])
  checkout.addTools('g++', 'make', 'python3')
  expect([checkout.install(), checkout.install()]).toEqual(['ci', undefined])
  checkout.removeTool('g++')
  expect(checkout.install()).toBeUndefined()
})

/** A checkout with no packages, on a machine that has an npm and no compiler. */
function emptyCheckout() {
  const root = mkdtempSync(join(tmpdir(), 'scout-test-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const bin = join(root, 'bin')
  const log = join(root, 'npm.log')
  mkdirSync(bin)
  mkdirSync(join(root, 'node_modules'))
  cpSync(scripts, join(root, 'scripts'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{}')
  writeFileSync(join(root, 'package-lock.json'), '{}')
  const addTool = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  addTool('npm', `echo "$1" > '${log}'`)
  const program = "import('./scripts/prepare.mjs').then(({ install }) => install('start'))"
  return {
    addTools: (...names: readonly string[]) => names.forEach((name) => addTool(name, 'exit')),
    removeTool: (name: string) => rmSync(join(bin, name)),
    /** What npm was asked for, if it was. */
    install() {
      rmSync(log, { force: true })
      const env = { PATH: bin, SCOUT_NO_INSTALL: '1' }
      execFileSync(process.execPath, ['--eval', program], { cwd: root, env, stdio: 'ignore' })
      return existsSync(log) ? readFileSync(log, 'utf8').trim() : undefined
    },
  }
}
