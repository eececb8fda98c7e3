import { ScoutError } from './errors.ts'
import { nearest } from './nearest.ts'
import type { Stray } from './net/exchange.ts'
import { nameServersOf } from './net/resolv-conf.ts'
import { createSockets } from './net/sockets.ts'
import type { Probe } from './probe.ts'
import { type OptionsOf, type Protocol, probes, type ResultOf } from './probes/index.ts'
import { type ResolveName, resolveBySystem } from './resolve.ts'
import { prepare, run } from './run.ts'

export interface ProberOptions {
  /** Told of every answer that no attempt waited for. */
  readonly onStray?: (protocol: Protocol, stray: Stray) => void
  /** How names become addresses; getaddrinfo unless given. */
  readonly resolve?: ResolveName
  /** The name server of DNS targets that name none; the first of /etc/resolv.conf unless given. */
  readonly nameServer?: string
}

/** The probe's own options, the common ones, and a way to give up. */
export type AttemptOptions<Name extends Protocol> = OptionsOf<Name> & { readonly signal?: AbortSignal | undefined }

/** Probes many times over shared sockets. Close it when done: its sockets keep the process alive. Closing cancels what is under way. */
export interface Prober {
  /**
   * One attempt. Whatever happens on the network is in the result.
   * @throws {ScoutError} for misuse, before the first packet.
   */
  probe<Name extends Protocol>(protocol: Name, target: string, options?: AttemptOptions<Name>): Promise<ResultOf<Name>>
  close(): void
}

export function createProber({ onStray, resolve = resolveBySystem, nameServer }: ProberOptions = {}): Prober {
  const sockets = createSockets((protocol, stray) => {
    if (isProtocol(protocol)) onStray?.(protocol, stray)
  })
  const closing = new AbortController()
  const context = { sockets, resolve, nameServer: () => nameServer ?? systemNameServer(), closing: closing.signal }
  return {
    async probe(protocol, target, attemptOptions) {
      const { signal, ...options }: { readonly signal?: AbortSignal | undefined } = attemptOptions ?? {}
      if (closing.signal.aborted) throw new ScoutError('closed', 'this prober was closed: create another')
      const probe = probeNamed(protocol)
      const request = prepare(probe, { target, options }, context)
      const result = await run(probe, request, { ...context, signal })
      // The registry ties a protocol to its result; the runner serves them all and knows only the general shape.
      return result as ResultOf<typeof protocol>
    },
    close() {
      sockets.close()
      closing.abort()
    },
  }
}

/**
 * One attempt on its own, with its own sockets.
 * @example const result = await probe('tcp', '10.244.1.31:8080')
 * @throws {ScoutError} for misuse, before the first packet.
 */
export async function probe<Name extends Protocol>(
  protocol: Name,
  target: string,
  options?: AttemptOptions<Name>,
): Promise<ResultOf<Name>> {
  const prober = createProber()
  try {
    return await prober.probe(protocol, target, options)
  } finally {
    prober.close()
  }
}

export function isProtocol(name: string): name is Protocol {
  return Object.hasOwn(probes, name)
}

/** @throws {ScoutError} `unknown-probe`, with the nearest name. */
export function probeNamed(name: string): Probe<Protocol> {
  if (isProtocol(name)) return probes[name]
  const known = Object.keys(probes)
  const near = nearest(name, known)
  throw new ScoutError(
    'unknown-probe',
    `there is no probe "${name}": ${near === undefined ? `choose one of ${known.join(', ')}` : `did you mean ${near}?`}`,
  )
}

/**
 * The name server of DNS targets that name none.
 * @throws {ScoutError} `invalid-target` where this host has none.
 */
export function systemNameServer(): string {
  const [first] = nameServersOf('/etc/resolv.conf')
  if (first === undefined) {
    throw new ScoutError(
      'invalid-target',
      'no name server is known, as /etc/resolv.conf names none: write the target as name@server',
    )
  }
  return first
}
