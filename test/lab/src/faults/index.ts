import { hintFor } from '@scout/core/settings'
import { LabError } from '../errors.ts'
import { conntrackFaults } from './conntrack.ts'
import { delayFaults } from './delay.ts'
import { dnsFaults } from './dns.ts'
import { dropFaults } from './drop.ts'
import type { Fault } from './fault.ts'
import { mtuFaults } from './mtu.ts'
import { nodeFaults } from './node.ts'
import { overlayFaults } from './overlay.ts'
import { pathFaults } from './path.ts'
import { rateFaults } from './rate.ts'
import { rejectFaults } from './reject.ts'
import { routeFaults } from './route.ts'
import { serviceFaults } from './service.ts'
import { tcpFaults } from './tcp.ts'

/** The catalogue: every fault the lab can inject. */
export const faults: readonly Fault[] = [
  ...dropFaults,
  ...rejectFaults,
  ...mtuFaults,
  ...overlayFaults,
  ...routeFaults,
  ...delayFaults,
  ...rateFaults,
  ...tcpFaults,
  ...conntrackFaults,
  ...dnsFaults,
  ...serviceFaults,
  ...pathFaults,
  ...nodeFaults,
]

export function findFault(name: string): Fault {
  const fault = faults.find((candidate) => candidate.name === name)
  if (fault !== undefined) return fault
  const names = faults.map((candidate) => candidate.name)
  throw new LabError('usage', `there is no fault "${name}": ${hintFor(name, names)}`)
}
