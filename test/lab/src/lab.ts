import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { compileLinks, compileNamespaces, compileWaits } from './compile/network.ts'
import { answersPath, clusterRecords, recordsPath, resolvConf, resolvConfPath } from './dns.ts'
import { LabError } from './errors.ts'
import { planFault } from './faults/plan.ts'
import { applyChanges, type Ground, type Injection, undoAll } from './injection.ts'
import { Overrides } from './overrides.ts'
import type { LabProcess, Output, ProcessOptions } from './process.ts'
import { createRunner, type Runner } from './runner.ts'
import { openSandbox, type Sandbox } from './sandbox.ts'
import type { LabSpecInput } from './spec.ts'
import { checkTools } from './tools.ts'
import { buildTopology, type Topology } from './topology.ts'

/** Builds a lab and answers it once its network and its name servers work. It lives until `close`, or as long as the caller. */
export async function openLab(spec: LabSpecInput = {}): Promise<Lab> {
  const topology = buildTopology(spec)
  await checkTools()
  const sandbox = await openSandbox()
  const lab = new Lab(topology, sandbox)
  try {
    await lab.up()
  } catch (error) {
    await sandbox.close()
    throw error
  }
  return lab
}

export interface PortForward {
  readonly place: string
  readonly port: number
  /** Where to listen on this machine: any free port, and reachable from this machine alone, unless said otherwise. */
  readonly localPort?: number
  readonly localHost?: string
}

export interface ForwardedPort {
  readonly port: number
  close(): Promise<void>
}

/** A cluster of network namespaces: places are named `node1`, `pod1`, `dns1`, `underlay` and `router`. */
export class Lab {
  readonly topology: Topology
  readonly #sandbox: Sandbox
  readonly #runner: Runner
  readonly #overrides: Overrides
  readonly #processes = new Map<LabProcess, string>()
  readonly #injections = new Map<string, Injection>()
  #faultCount = 0

  constructor(topology: Topology, sandbox: Sandbox) {
    this.topology = topology
    this.#sandbox = sandbox
    this.#runner = createRunner(sandbox)
    this.#overrides = new Overrides((setting, script) =>
      this.#runner.script(`change ${setting.name}`, setting.namespace, script),
    )
  }

  /** Faults at work, the oldest first. */
  get injections(): readonly Injection[] {
    return [...this.#injections.values()]
  }

  async up(): Promise<void> {
    await this.#runner.script('make the links', undefined, `ip -batch - <<'END'\n${compileLinks(this.topology)}END\n`)
    for (const group of compileNamespaces(this.topology)) await inParallel(group, (plan) => this.#runner.apply(plan))
    await inParallel(compileWaits(this.topology, parallelism), (wait) =>
      this.#runner.script('wait for the links', undefined, wait),
    )
    if (this.topology.dnsService !== undefined) await this.#startNameServers()
  }

  /** Starts a process at a place; in a pod it finds the pod's resolv.conf. */
  spawn(place: string, argv: readonly string[], options: ProcessOptions = {}): LabProcess {
    const process = this.#runner.spawn(this.#check(place), this.#at(place, argv), options)
    this.#processes.set(process, place)
    const forget = () => this.#processes.delete(process)
    process.exited.then(forget, forget)
    return process
  }

  /** Runs a command at a place to its end and answers its exit status and what it printed. */
  async run(place: string, argv: readonly string[]): Promise<Output> {
    return this.spawn(place, argv).output()
  }

  /** Injects a fault by name; throws a `usage` error for an unknown name or parameter, naming the nearest one. */
  async inject(name: string, input: Readonly<Record<string, unknown>> = {}): Promise<Injection> {
    const number = this.#faultCount + 1
    const id = `fault${number}`
    const key = { id, number }
    const { parameters, changes } = planFault(this.topology, [name, input], key)
    this.#faultCount = number
    const ground: Ground = {
      key,
      runner: this.#runner,
      overrides: this.#overrides,
      processesOf: (place) => [...this.#processes].filter(([, at]) => at === place).map(([process]) => process),
    }
    const applied = await applyChanges(ground, changes)
    const injection: Injection = {
      id,
      name,
      parameters,
      hits: async () => sum(await Promise.all(applied.flatMap((change) => change.hits?.() ?? []))),
      report: () => Promise.all(applied.flatMap((change) => change.report?.() ?? [])),
      heal: async () => {
        await undoAll(applied)
        this.#injections.delete(id)
      },
    }
    this.#injections.set(id, injection)
    return injection
  }

  /** Heals every fault, the latest first. */
  async healAll(): Promise<void> {
    for (const injection of this.injections.toReversed()) await injection.heal()
  }

  /** Starts the echo server other pods can talk to (`daemons/workload.ts`), in every pod that stands for a node by default. */
  async startWorkload(
    places: readonly string[] = this.topology.nodes.map((node) => `pod${node.number}`),
  ): Promise<void> {
    const host = this.topology.families.includes('ipv6') ? '::' : '0.0.0.0'
    await Promise.all(places.map((place) => this.#startDaemon(place, ['workload', place, host])))
  }

  /** Makes a port of a place reachable on this machine. */
  async forwardPort({ place, port, localPort = 0, localHost = '127.0.0.1' }: PortForward): Promise<ForwardedPort> {
    this.#check(place)
    const listener = createServer()
    listener.listen(localPort, localHost)
    try {
      await once(listener, 'listening')
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new LabError('failed', `cannot listen on ${localHost}, port ${localPort}: ${why}`, { cause: error })
    }
    const address = listener.address()
    const relay = this.spawn(place, daemon('relay', String(port)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      detached: true,
    })
    try {
      const ready = once(relay.child, 'message')
      // A relay that has already ended does not receive it.
      relay.child.send('listen', listener, () => {})
      const status = await Promise.race([ready, relay.exited])
      if (typeof status === 'number') {
        throw new LabError('failed', `cannot start the relay in ${place}: it ended with status ${status}`)
      }
    } finally {
      // Two holders would take turns at accepting; from here on it is the relay's alone.
      listener.close()
    }
    return {
      port: address !== null && typeof address === 'object' ? address.port : localPort,
      close: async () => {
        await relay.stop()
      },
    }
  }

  /** Ends every process and frees every namespace. */
  async close(): Promise<void> {
    try {
      // Most faults end with their namespace, but not what acts from outside, such as stopping processes.
      await this.healAll()
    } finally {
      const ended = [...this.#processes.keys()].map((process) => process.exited)
      await this.#sandbox.close()
      await Promise.all(ended)
    }
  }

  async #startNameServers(): Promise<void> {
    const { topology } = this
    const truth = `${JSON.stringify({ mode: 'true' })}\n`
    await Promise.all([
      this.#runner.write(recordsPath(), JSON.stringify(clusterRecords(topology))),
      ...topology.nameServers.map(({ name }) => this.#runner.write(answersPath(name), truth)),
      ...topology.pods.map(({ name }) => this.#runner.write(resolvConfPath(name), resolvConf(topology))),
    ])
    await Promise.all(
      topology.nameServers.map(({ name, addresses }) =>
        this.#startDaemon(name, [
          'dns-server',
          answersPath(name),
          recordsPath(),
          ...topology.families.map((family) => addresses[family]),
        ]),
      ),
    )
  }

  async #startDaemon(place: string, [name = '', ...argv]: readonly string[]): Promise<void> {
    const process = this.spawn(place, daemon(name, ...argv), { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
    for await (const line of process.lines()) if (line === 'ready') return
    throw new LabError('failed', `cannot start the ${name} in ${place}: it ended with status ${await process.exited}`)
  }

  #check(place: string): string {
    const { nodes, pods } = this.topology
    const places = [...nodes, ...pods]
      .map(({ name }) => name)
      .concat('underlay', this.topology.hasRouter ? 'router' : [])
    if (places.includes(place)) return place
    throw new LabError('usage', `this lab has no place "${place}": it has ${places.join(', ')}`)
  }

  #at(place: string, argv: readonly string[]): readonly string[] {
    const isPod = this.topology.pods.some((pod) => pod.name === place)
    if (!isPod || this.topology.dnsService === undefined) return argv
    const mount = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return ['unshare', '--mount', 'sh', '-c', mount, resolvConfPath(place), ...argv]
  }
}

/** The command line of one of the lab's own programs, which plain Node runs from the build. */
function daemon(name: string, ...argv: readonly string[]): readonly string[] {
  return [process.execPath, fileURLToPath(new URL(`../dist/daemons/${name}.js`, import.meta.url)), ...argv]
}

/** More would only wait for the kernel's one lock around network changes. */
const parallelism = 4

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: parallelism }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0)
}
