import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AttemptOptions, Protocol, ResultOf, Stray } from '@scout/core'
import { assertBuilt } from './built.ts'
import type { Requirement } from './requirements.ts'

/** Another process that probes, with @scout/core as it was built. */
export interface Child {
  probe<Name extends Protocol>(protocol: Name, target: string, options?: AttemptOptions<Name>): Promise<ResultOf<Name>>
  /** Stray answers since the last call. */
  strays(): Promise<readonly ChildStray[]>
  /** How the child answers echo requests. */
  answerEchoes(manner: EchoManner): Promise<void>
  close(): Promise<void>
}

export type ChildStray = Stray & { readonly protocol: string }

/**
 * By its kernel; with replies that belong to no request, or are none; or each second request with the reply to the one before
 * and then its own.
 */
export type EchoManner = 'duly' | 'withGarbage' | 'oneBehind'

/** What a child is asked, one thing at a time. */
export type Task =
  | { readonly do: 'probe'; readonly protocol: Protocol; readonly target: string; readonly options: object }
  | { readonly do: 'strays' }
  | { readonly do: 'answerEchoes'; readonly manner: EchoManner }

/** An address of each family for each type of route in the namespace (ip-route(8)). */
export const routed = {
  unreachable: ['198.51.100.1', '2001:db8::1'],
  prohibit: ['198.51.100.2', '2001:db8::2'],
  blackhole: ['198.51.100.3', '2001:db8::3'],
} as const

/** In a namespace: packets to it vanish without an error. */
export const silentAddress = '192.0.2.1'

/** In a namespace: an address of the loopback device that is good on this link only. */
export const linkLocalAddress = 'fe80::5%lo'

/** In a namespace: no route leads there. */
export const routelessAddress = '203.0.113.1'

/** Runs the command that follows in a separate user and network namespace. */
export const unshare = ['unshare', '--user', '--map-root-user', '--net'] as const

/** This user may have network namespaces. */
export const namespaces: Requirement = {
  isMet: succeeds(...unshare, 'true'),
  reason: 'needs unprivileged user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)',
}

/** This user may take CAP_NET_RAW from a child, or has none to take. */
export const canDropRawSockets: Requirement = {
  isMet: succeeds(...withoutRawSockets(), 'true'),
  reason: 'needs setpriv and CAP_SETPCAP, to run a child without CAP_NET_RAW',
}

/** Starts a child in a separate network namespace, where it is root and which no packet leaves. */
export async function startInNamespace(): Promise<Child> {
  const lines = [
    'link set lo up',
    'address add fe80::5/64 dev lo nodad',
    // What is sent there loops back to a host that is neither its destination nor a router, and is dropped (RFC 1122 §3.2.1.3).
    `route add ${silentAddress} dev lo`,
    ...Object.entries(routed).flatMap(([type, addresses]) =>
      addresses.map((address) => `route add ${type} ${address}`),
    ),
  ]
  const setup = lines.map((line) => `ip ${line}`).join(' && ')
  return startChild([...unshare, 'sh', '-c', `${setup} && exec "$@"`, 'sh'])
}

/** Starts a child that trusts this certificate authority (PEM) as well as the usual ones. */
export async function startTrusting(certificate: string): Promise<Child> {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  const path = join(folder, 'authority.pem')
  writeFileSync(path, certificate)
  try {
    // Read once, when the process starts.
    return await startChild([], { NODE_EXTRA_CA_CERTS: path })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Where Debian and its relatives keep the authorities that a host trusts. */
const systemStore = '/etc/ssl/certs/ca-certificates.crt'

const unshareMounts = ['unshare', '--user', '--map-root-user', '--mount'] as const

/** This host has a store of authorities, and this user may replace it for a child. */
export const systemStores: Requirement = {
  isMet: existsSync(systemStore) && succeeds(...unshareMounts, 'mount', '--bind', '/dev/null', systemStore),
  reason: `needs ${systemStore} and unprivileged user namespaces`,
}

/** Starts a child on whose host this certificate authority (PEM) is the only one. */
export async function startWithSystemStore(certificate: string): Promise<Child> {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  const path = join(folder, 'authority.pem')
  writeFileSync(path, certificate)
  try {
    return await startChild([...unshareMounts, 'sh', '-c', `mount --bind ${path} ${systemStore} && exec "$@"`, 'sh'])
  } finally {
    // The mount keeps it.
    rmSync(folder, { recursive: true })
  }
}

/** Starts a child that cannot open raw sockets. */
export async function startUnprivileged(): Promise<Child> {
  return startChild(withoutRawSockets())
}

function withoutRawSockets(): readonly string[] {
  // On exec, root regains every capability that its bounding set allows (capabilities(7)).
  return process.getuid?.() === 0 ? 'setpriv --bounding-set -net_raw --inh-caps -net_raw'.split(' ') : []
}

export async function startChild(wrapper: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Child> {
  assertBuilt('packages/core')
  const script = fileURLToPath(new URL('child-main.mjs', import.meta.url))
  const [file, ...args] = [...wrapper, process.execPath]
  const child = spawn(file, [...args, script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  })
  await answerOf(child)
  const ask = async (task: Task) => {
    const answer = answerOf(child)
    child.send(task)
    return answer
  }
  return {
    probe: async (protocol, target, options) =>
      (await ask({ do: 'probe', protocol, target, options: { ...options } })) as ResultOf<typeof protocol>,
    strays: async () => (await ask({ do: 'strays' })) as readonly ChildStray[],
    answerEchoes: async (manner) => void (await ask({ do: 'answerEchoes', manner })),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill()
      await exited
    },
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`the child ended with ${code} instead of answering`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message)
    })
  })
}

export function succeeds(...command: readonly string[]): boolean {
  const [file = 'true', ...args] = command
  try {
    execFileSync(file, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
