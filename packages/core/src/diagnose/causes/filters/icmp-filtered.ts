import { both, type Cause, isIcmp, surely } from '../../cause.ts'
import type { Symptom } from '../../evidence.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated, seenOf } from '../parts.ts'

const ways: readonly Symptom[] = ['silent', 'refused', 'unreachable', 'prohibited']

export const icmpFiltered: Cause = {
  name: 'icmp-filtered',
  scopes: ofLinks,
  severity: 'informational',
  rarity: 0,
  because: 'pings are filtered',
  means:
    'Pings are dropped or rejected while everything else passes. No application suffers, as long as ICMP errors about too big packets still arrive.',
  shows: 'Pings of every size fail. TCP and UDP of every size pass.',
  usually: [
    'AWS: security groups allow no ICMP by default',
    'Azure and Google Cloud: NSG or firewall rules that list TCP and UDP only; the load balancers of Azure answer no ping',
    'Cilium and Calico: a policy with ports, which excludes ICMP; Cilium needs an icmps rule of its own',
    'net.ipv4.icmp_echo_ignore_all=1 on hardened nodes',
  ],
  remedy:
    'Nothing, if it is meant to be so: set the check aside. Do allow ICMP type 3 code 4 and ICMPv6 type 2, which path MTU discovery needs.',
  variants: (failing) =>
    seenOf(failing.filter(isIcmp), ways).flatMap((way) =>
      byFamily(failing, { id: way, lines: [surely(both(overPods, isIcmp), way)] }),
    ),
  says: (said) => `pings are filtered${overFamily(said)}, everything else passes: ${said.where}`,
  next: (said) => repeated(said),
}
