import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Requirement } from '../../support/requirements.ts'
import { run } from './run.ts'

// A folder of commands that reach below Kubernetes: `on NODE COMMAND…`, `power on|off NODE`; and where the control plane's processes are
// listed, a line each: process id and name.
const commands = process.env['SCOUT_CLUSTER_COMMANDS'] ?? ''
const processes = process.env['SCOUT_CLUSTER_PROCESSES'] ?? '/run/scout-cluster/pids'

/** Tests that cut wires and pull plugs need more than an API server. */
export const machinery: Requirement = {
  isMet: commands !== '' && existsSync(join(commands, 'on')) && existsSync(processes),
  reason: 'needs commands that reach below Kubernetes (npm run test:cluster -- --commands FOLDER)',
  // Not every cluster has them; naming them turns these tests on.
  isSpareableInCi: commands === '',
}

/** Runs a command in a node's namespaces. */
export const on = (node: string, ...command: readonly string[]): Promise<string> =>
  run(join(commands, 'on'), [node, ...command])

export const power = (state: 'on' | 'off', node: string): Promise<string> => run(join(commands, 'power'), [state, node])

/** Runs a command beside the control plane, from where pods can be reached without the API server. */
export const onControl = (...command: readonly string[]): Promise<string> => on('control', ...command)

/** Stops the API server where it stands, connections open and silent, or lets it go on. */
export function signalApiServer(signal: 'SIGSTOP' | 'SIGCONT'): void {
  const line = readFileSync(processes, 'utf8')
    .split('\n')
    .find((text) => text.split(' ')[1] === 'kube-apiserver')
  if (line === undefined) throw new Error(`no kube-apiserver is listed in ${processes}`)
  process.kill(Number(line.split(' ')[0]), signal)
}

/** Ends a node's kubelet and starts it again as it was. */
export async function restartKubelet(node: string): Promise<void> {
  const pid = (await on(node, 'pgrep', '-xo', 'kubelet')).trim()
  const command = (await on(node, 'cat', `/proc/${pid}/cmdline`)).split('\0').filter(Boolean)
  await on(node, 'kill', pid)
  await on(node, 'tail', `--pid=${pid}`, '-f', '/dev/null')
  await on(node, 'sh', '-c', 'setsid --fork "$@" >/dev/null 2>&1 </dev/null', 'sh', ...command)
}
