import { LabError } from '../errors.ts'
import type { LabSpecInput } from '../spec.ts'
import type { Topology } from '../topology.ts'
import type { Fault } from './fault.ts'

/** Throws a `usage` error if the lab lacks what the fault needs. */
export function checkNeeds({ name, needs = {} }: Fault, { spec, families, zones, nameServers }: Topology): void {
  const lacks =
    needs.network !== undefined && needs.network !== spec.network
      ? `--network ${needs.network}`
      : needs.family !== undefined && !families.includes(needs.family)
        ? `--families ${needs.family} or dual`
        : needs.zones !== undefined && needs.zones > zones.length
          ? `--zones ${needs.zones}`
          : needs.dnsReplicas !== undefined && needs.dnsReplicas > nameServers.length
            ? `--dns-replicas ${needs.dnsReplicas}`
            : undefined
  if (lacks !== undefined) throw new LabError('usage', `the fault ${name} needs another lab: one with ${lacks}`)
}

/** A description of a lab that has what the fault needs. */
export function specFor({ needs = {} }: Fault): LabSpecInput {
  return {
    ...(needs.network === undefined ? {} : { network: needs.network }),
    ...(needs.zones === undefined ? {} : { zones: needs.zones }),
    ...(needs.dnsReplicas === undefined ? {} : { dnsReplicas: needs.dnsReplicas }),
  }
}
