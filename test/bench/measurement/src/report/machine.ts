import { readFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { findCommand, run } from '../stage/tool.ts'

/** What the figures were taken on and with. */
export interface Machine {
  readonly date: string
  readonly kernel: string
  readonly processors: string
  readonly node: string
  readonly privilege: string
  /** Load average of the minute before the bench. */
  readonly load: number
  readonly tools: readonly string[]
  /** Tools this machine does not have, so that nothing is measured with them. */
  readonly lacking: readonly string[]
}

/** Tools are given by name, with the command line that prints their version. */
export async function describeMachine(tools: Readonly<Record<string, readonly string[]>>): Promise<Machine> {
  const [load = 0] = loadavg()
  const processors = cpus()
  const found = Object.entries(tools).map(([name, [command = '', ...args]]) => ({
    name,
    path: findCommand(command),
    args,
  }))
  return {
    date: new Date().toISOString().slice(0, 10),
    kernel: `Linux ${release()}`,
    processors: `${processors.length} × ${processors[0]?.model ?? 'unknown processor'}`,
    node: `Node ${process.versions.node}`,
    privilege: isRootOfHost() ? 'root' : 'a user namespace',
    load: Math.round(load * 10) / 10,
    tools: await Promise.all(
      found.flatMap(({ name, path, args }) => (path === undefined ? [] : [versionOf(name, [path, ...args])])),
    ),
    lacking: found.flatMap(({ name, path }) => (path === undefined ? [name] : [])),
  }
}

/** Only the first user namespace has all user ids. */
function isRootOfHost(): boolean {
  const [inside, outside, count] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).map(Number)
  return inside === 0 && outside === 0 && count === 2 ** 32 - 1
}

async function versionOf(name: string, argv: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(argv, { expected: [0, 255] }) // scamper ends with 255
  return `${name} ${/\d[\d.]*/.exec(stdout || stderr)?.[0] ?? 'of unknown version'}`
}

export function formatMachine({ date, kernel, processors, node, privilege, load, tools, lacking }: Machine): string {
  const without = lacking.length === 0 ? '' : `, without ${lacking.join(' and ')}`
  return `Measured on ${date}: ${processors}, ${kernel}, ${node}, as ${privilege}, load average ${load}; with ${tools.join(', ')}${without}.`
}
