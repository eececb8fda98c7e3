/** Two causes that no aspect tells apart. */
export interface Twins {
  readonly causes: readonly [string, string]
  /** Completes "look …": what does tell them apart. */
  readonly separatedBy: string
}

/** All pairs of causes whose tables agree on every aspect. A test keeps the list complete. */
export const twins: readonly Twins[] = [
  {
    causes: ['protocol-filtered', 'application-refusing'],
    separatedBy:
      'whether the refusal has the TTL of an answer of the pod, and whether ss -lntu in the pod lists the port',
  },
  {
    causes: ['overlay-blocked', 'routing-broken'],
    separatedBy: 'whether ip route get on the sending node leads into a tunnel (ip -d link shows its port)',
  },
  {
    causes: ['node-down', 'node-isolated'],
    separatedBy: 'at the console of the machine: is it running?',
  },
]

/** Returns what is declared about two causes; undefined if an aspect tells them apart. */
export function twinsOf(one: string, other: string): Twins | undefined {
  return twins.find(({ causes }) => causes.includes(one) && causes.includes(other))
}
