import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top folder of the checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Runs a command to its end and captures its output, so that a success can stay silent.
 *
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, shell?: boolean }} [options]
 * @returns {Promise<{ isOk: boolean, output: string }>}
 */
export function run(file, args, { cwd = root, env = process.env, shell = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd, env, shell, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => resolve({ isOk: false, output: `cannot run ${file}: ${error.message}\n` }))
    child.on('close', (code) => resolve({ isOk: code === 0, output }))
  })
}

/**
 * Runs npm with the version that started this process, or with the one on the PATH.
 *
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export function runNpm(args, options) {
  const cli = process.env['npm_execpath']
  return cli?.endsWith('npm-cli.js') ? run(process.execPath, [cli, ...args], options) : run('npm', args, options)
}

/**
 * Reports a slow step and its duration on stderr.
 *
 * @param {string} what
 * @param {() => Promise<{ isOk: boolean, output: string }>} work
 * @returns {Promise<boolean>}
 */
export async function step(what, work) {
  const startMs = performance.now()
  process.stderr.write(`${what} … `)
  const { isOk, output } = await work()
  process.stderr.write(`${isOk ? 'done' : 'failed'} in ${seconds(startMs)}\n`)
  if (!isOk) process.stderr.write(output)
  return isOk
}

/** @param {number} startMs */
export function seconds(startMs) {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`
}
