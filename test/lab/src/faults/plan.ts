import { parseOptions } from '../options.ts'
import type { Topology } from '../topology.ts'
import type { Change, FaultKey } from './fault.ts'
import { findFault } from './index.ts'
import { checkNeeds } from './needs.ts'

/** What a fault will change, as it was asked for; nothing is touched yet. */
export interface Plan {
  readonly parameters: Readonly<Record<string, unknown>>
  readonly changes: readonly Change[]
}

/** Throws a `usage` error if a fault cannot be injected: an unknown name or parameter, or a place this lab does not have. */
export function planFault(
  topology: Topology,
  [name, input]: readonly [string, Readonly<Record<string, unknown>>],
  key: FaultKey = { id: 'fault1', number: 1 },
): Plan {
  const fault = findFault(name)
  const parameters = parseOptions(`the fault ${name}`, fault.parameters, input)
  checkNeeds(fault, topology)
  return { parameters, changes: fault.changes(topology, parameters, key) }
}
