import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AnyResult, Stray } from '@scout/core'
import { onTestFinished } from 'vitest'
import { assertBuilt } from './built.ts'
import type { Requirement } from './requirements.ts'

/** Another process that probes, with @scout/core as it was built. */
export interface Child {
  probe(protocol: string, target: string, options?: object): Promise<AnyResult>
  /** The answers nobody waited for, so far. */
  strays(): Promise<readonly ChildStray[]>
  /** Echo requests are answered by the child in place of its kernel. */
  answerEchoes(manner: EchoManner): Promise<void>
}

export type ChildStray = Stray & { readonly protocol: string }

/** With replies that belong to no request, or are none; or each request when the next has come, and then both. */
export type EchoManner = 'withGarbage' | 'oneBehind'

/** What a child is asked, one thing at a time. */
export type Task =
  | { readonly do: 'probe'; readonly protocol: string; readonly target: string; readonly options: object | undefined }
  | { readonly do: 'strays' }
  | { readonly do: 'answerEchoes'; readonly manner: EchoManner }

const unshare = ['unshare', '--user', '--map-root-user', '--net'] as const

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

/** Every address in it is silent: nobody is there (RFC 5737), and nobody says so. */
export const silentAddress = '192.0.2.1'

/**
 * A child in a network namespace of its own, where it is root and which no packet leaves, until the test ends. Each of `lines`
 * is what `ip` is told to set up beside the loopback device.
 */
export async function startInNamespace(...lines: readonly string[]): Promise<Child> {
  // A packet for it loops back to a host that is neither its destination nor a router, and is dropped (RFC 1122 §3.2.1.3).
  const silence = `route add ${silentAddress} dev lo`
  const setup = ['link set lo up', silence, ...lines].map((line) => `ip ${line}`).join(' && ')
  return startChild([...unshare, 'sh', '-c', `${setup} && exec "$@"`, 'sh'])
}

/** A child that cannot open raw sockets, until the test ends. */
export async function startUnprivileged(): Promise<Child> {
  return startChild(withoutRawSockets())
}

function withoutRawSockets(): readonly string[] {
  // Root gets back with exec whatever its bounding set allows (capabilities(7)).
  return process.getuid?.() === 0 ? 'setpriv --bounding-set -net_raw --inh-caps -net_raw'.split(' ') : []
}

async function startChild(wrapper: readonly string[]): Promise<Child> {
  assertBuilt('packages/core')
  const script = fileURLToPath(new URL('child-main.mjs', import.meta.url))
  const [file, ...args] = [...wrapper, process.execPath]
  const child = spawn(file, [...args, script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill()
    await exited
  })
  await answerOf(child)
  const ask = async (task: Task) => {
    const answer = answerOf(child)
    child.send(task)
    return answer
  }
  return {
    probe: async (protocol, target, options) => (await ask({ do: 'probe', protocol, target, options })) as AnyResult,
    strays: async () => (await ask({ do: 'strays' })) as readonly ChildStray[],
    answerEchoes: async (manner) => void (await ask({ do: 'answerEchoes', manner })),
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

function succeeds(...command: readonly string[]): boolean {
  const [file = 'true', ...args] = command
  try {
    execFileSync(file, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
