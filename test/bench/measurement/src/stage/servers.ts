import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Host } from './host.ts'
import { ports } from './ports.ts'
import { programPath, seen } from './tool.ts'

/** A program that serves until it is ended, and what it prints when it is ready. */
export interface Server {
  readonly argv: readonly string[]
  readonly ready: RegExp
}

/** Scout's reflector. A busy one that nobody asks is a load for what runs beside it. */
export function reflector(load: 'idle' | 'busy'): Server {
  return { argv: [process.execPath, programPath('stage/reflector.ts'), load], ready: /answering/ }
}

/** Without its limit of a packet in 10 ms. */
export const irttServer: Server = {
  argv: ['irtt', 'server', '-i', '0', '-b', `127.0.0.1:${ports.irtt}`],
  ready: /starting IPv4 listener/,
}

export const sockperfServer: Server = {
  argv: ['sockperf', 'server', '-i', '127.0.0.1', '-p', `${ports.sockperf}`],
  ready: /to block on socket/,
}

/** The same server inside a host, behind its relay. */
export function at(host: Host, { argv, ready }: Server): Server {
  return { argv: host.inside(argv), ready }
}

/** Returns what ends the server. */
export async function startServer({ argv: [command = '', ...args], ready }: Server): Promise<() => Promise<void>> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  await seen(child, ready)
  return async () => {
    const ended = once(child, 'close')
    child.kill()
    await ended
  }
}
