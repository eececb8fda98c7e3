import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { assertBuilt } from './built.ts'
import { unshare } from './child.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = fileURLToPath(new URL('example-main.mjs', import.meta.url))

/** The blocks of TypeScript in a document of this repository that use one of its packages, exactly as they stand there. */
export function examplesIn(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].flatMap(([, code = '']) =>
    code.includes("'@scout/") ? [code] : [],
  )
}

/** Every command that a document prints, on a line that starts with `$` or in an inline code span, in its order. */
export function commandsIn(document: string): readonly string[] {
  const text = readFileSync(join(root, document), 'utf8')
  const printed = text.matchAll(/^\$ (.+)$|(?<=^|[^`])`((?:npx|npm|kubectl|docker|git|helm) [^`]+)`/gm)
  return [...printed].map(([, line, span]) => (line ?? span ?? '').replaceAll('\n', ' '))
}

/**
 * Runs an example as a program that has installed the packages, and returns what it prints. The addresses of the documents
 * answer it, in a separate network. Fails as the program fails.
 */
export async function runExample(code: string): Promise<string> {
  assertBuilt('packages/core')
  // A folder from which the packages of this repository are found.
  const cache = join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'example-'))
  try {
    const program = join(folder, 'example.mjs')
    writeFileSync(program, code)
    const [file = '', ...args] = inNetwork('documents', [process.execPath, program])
    const { stdout } = await promisify(execFile)(file, args)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Surroundings {
  readonly env?: NodeJS.ProcessEnv
  /** A network of its own with only loopback, or one in which the addresses of the documents answer. */
  readonly network?: 'loopback' | 'documents'
  /** Text after which it is interrupted, as by Ctrl-C. */
  readonly until?: string
}

/** Runs a command as a document prints it: by a shell in the root of the repository. */
export async function runPrinted(command: string, { env = {}, network, until }: Surroundings = {}) {
  for (const name of ['core', 'agent', 'cli']) assertBuilt(`packages/${name}`)
  const [file = '', ...args] = inNetwork(network, ['sh', '-c', command])
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, COLUMNS: undefined, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const closed = once(child, 'close')
  let out = ''
  let err = ''
  let isEnding = false
  const onText = (text: string) => {
    if (isEnding || until === undefined || !text.includes(until) || child.pid === undefined) return
    isEnding = true
    process.kill(-child.pid, 'SIGINT')
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => onText((out += text)))
  child.stderr.setEncoding('utf8').on('data', (text: string) => onText((err += text)))
  await closed
  return { code: child.exitCode, out, err }
}

/**
 * What is larger than 1300 bytes never reaches the second address: the black hole that README.md shows. Single packets, or the rule would
 * see those of TCP together.
 */
const setup = `
  ip link set lo up mtu 1500 gso_max_segs 1 && ip address add 10.244.1.31 dev lo && ip address add 10.244.2.10 dev lo || exit
  if command -v nft >/dev/null; then
    nft 'add table ip hole; add chain ip hole input { type filter hook input priority 0; };
      add rule ip hole input ip daddr 10.244.2.10 ip length > 1300 drop' || exit
  fi
  exec "$@"`

function inNetwork(network: 'loopback' | 'documents' | undefined, command: readonly string[]) {
  if (network === undefined) return command
  const answered = network === 'documents' ? [process.execPath, main, ...command] : command
  return [...unshare, 'sh', '-c', setup, 'sh', ...answered]
}
