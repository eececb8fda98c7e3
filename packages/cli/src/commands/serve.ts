import { once } from 'node:events'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import {
  formatHostPort,
  type Listen,
  type Responder,
  responderPort,
  ScoutError,
  startDnsResponder,
  startHttpResponder,
  startOnOnePort,
  startUdpResponder,
} from '@scout/core'
import type { Command } from 'commander'
import { z } from 'zod'
import { addFlags, flagsOf, valuesOf } from '../flags/flags.ts'
import { type ExitCode, exitCodes } from '../shell/exit-code.ts'
import { helpExamples, type Invocation } from '../shell/invocation.ts'
import type { Io } from '../shell/io.ts'

/** Adds `scout-probe serve`, which answers probes until Ctrl-C. */
export function addServeCommand(program: Command, { io, finish }: Invocation): void {
  const flags = flagsOf(serveOptions())
  const command = program
    .command('serve')
    .summary('answer the probes of others until Ctrl-C')
    .description('answer the http, tcp and udp probes of others until Ctrl-C, and dns if it has a port')
  addFlags(command, flags)
    .addHelpText('after', helpExamples(io.name, 'serve', 'serve --host 0.0.0.0 --port 9000 --dns-port 5353'))
    .action(async () => {
      const options = serveOptions().parse(valuesOf(flags, command))
      if (options.dnsPort === options.port && options.port !== 0) {
        throw new ScoutError(
          'invalid-option',
          `--dns-port: ${options.port} is already the port of the other probes: choose another`,
        )
      }
      finish(await serve(options, io))
    })
}

const serveOptions = () =>
  z.object({
    host: z
      .string()
      .refine((text) => isIP(text) !== 0, 'write an address of this host, or :: or 0.0.0.0 for all of them')
      .default('::')
      .describe('address to listen on; :: means all addresses, IPv4 too'),
    port: z.int().min(0).max(65_535).default(responderPort).describe('TCP and UDP port; 0 picks a free port'),
    dnsPort: z
      .int()
      .min(0)
      .max(65_535)
      .optional()
      .describe('TCP and UDP port of a name server for this host and the root'),
    key: z.string().default('').describe('secret that udp probes must share to be answered'),
  })

type ServeOptions = z.output<ReturnType<typeof serveOptions>>

interface Service {
  readonly name: string
  readonly flag: string
  readonly start: (listen: Listen) => Promise<Responder>
}

interface RunningService {
  readonly service: Service
  readonly responder: Responder
}

async function serve(options: ServeOptions, { name, out, err, ended }: Io): Promise<ExitCode> {
  const running: RunningService[] = []
  const closeAll = async () => {
    await Promise.all(running.map(({ responder }) => responder.close()))
  }
  let started: { readonly service: Service; readonly port: number } | undefined
  const start = (service: Service) => (port: number) => {
    started = { service, port }
    return service.start({ host: options.host, port })
  }
  const { web, udp, dns } = servicesOf(options)
  try {
    const [first, second] = await startOnOnePort(options.port, start(web), start(udp))
    running.push({ service: web, responder: first }, { service: udp, responder: second })
    if (dns !== undefined) running.push({ service: dns, responder: await start(dns)(options.dnsPort ?? 0) })
  } catch (error) {
    await closeAll()
    if (started === undefined) throw error
    const { code, sentence } = listenFailure(error, started.service, formatHostPort(options.host, started.port))
    err.write(`${name}: ${sentence}\n`)
    return code
  }
  for (const { service, responder } of running)
    out.write(`${service.name} at ${formatHostPort(options.host, responder.port)}\n`)
  for (const address of addressesReachedAt(options.host)) err.write(`try: ${tryCommand(address, options, running)}\n`)
  if (!ended.aborted) await once(ended, 'abort')
  out.write('\n')
  err.write('stopping\n')
  await closeAll()
  for (const { service, responder } of running) {
    const { answered, rejected, unsent, dropped = 0 } = responder.counters
    const further = [
      ...(unsent === 0 ? [] : [`, ${unsent} could not be sent`]),
      ...(dropped === 0 ? [] : [`, ${dropped} dropped because the receive buffer was full (raise net.core.rmem_max)`]),
    ]
    out.write(`${service.name}: ${answered} answered, ${rejected} rejected${further.join('')}\n`)
  }
  return exitCodes.ok
}

function servicesOf({ dnsPort, key }: ServeOptions): { readonly web: Service; readonly udp: Service; dns?: Service } {
  const document = () => ({ message: 'connected to scout', time: new Date().toISOString() })
  const dns = (listen: Listen) => startDnsResponder({ ...listen, addressesOf: (name) => addressesOfName(name, listen) })
  return {
    web: { name: 'http and tcp', flag: '--port', start: (listen) => startHttpResponder({ ...listen, document }) },
    udp: { name: 'udp', flag: '--port', start: (listen) => startUdpResponder({ ...listen, key }) },
    ...(dnsPort === undefined ? {} : { dns: { name: 'dns', flag: '--dns-port', start: dns } }),
  }
}

/** The root exists and has no addresses, so the default query of `scout-probe all` gets an answer. */
function addressesOfName(name: string, { host }: Listen): readonly string[] | undefined {
  if (name === '') return []
  return name === hostname().toLowerCase() ? addressesReachedAt(host) : undefined
}

function tryCommand(address: string, { key }: ServeOptions, running: readonly RunningService[]): string {
  const portOf = (flag: string) => running.find(({ service }) => service.flag === flag)?.responder.port
  const port = portOf('--port')
  const dnsPort = portOf('--dns-port')
  return [
    `scout-probe all ${address}`,
    ...(port === responderPort ? [] : [`--port ${port}`]),
    dnsPort === undefined ? '--skip dns' : `--dns-port ${dnsPort}`,
    ...(key === '' ? [] : ['--key …']),
  ].join(' ')
}

const listenAdvice: Readonly<Record<string, (flag: string) => string>> = {
  EADDRINUSE: (flag) => `another process uses that port: choose another with ${flag}`,
  EACCES: (flag) => `ports below 1024 need root or CAP_NET_BIND_SERVICE: choose another with ${flag}`,
  EADDRNOTAVAIL: () => 'this host does not have that address: choose another with --host',
  EAFNOSUPPORT: () => 'this host has no IPv6: try --host 0.0.0.0',
}

function listenFailure(error: unknown, { name, flag }: Service, place: string): { code: ExitCode; sentence: string } {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) throw error
  const advice = listenAdvice[error.code]?.(flag)
  return {
    code: error.code === 'EACCES' ? exitCodes.unable : exitCodes.failed,
    sentence: `cannot listen for ${name} at ${place}: ${error.code}${advice === undefined ? '' : ` (${advice})`}`,
  }
}

/** Returns the addresses that reach a listener on `host`: all addresses of this host for :: and 0.0.0.0. */
function addressesReachedAt(host: string): readonly string[] {
  if (host !== '::' && host !== '0.0.0.0') return [host]
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses)
  const usable = all.filter(({ internal, scopeid = 0 }) => !internal && scopeid === 0)
  return usable.filter(({ family }) => host === '::' || family === 'IPv4').map(({ address }) => address)
}
