import { type Cause, surely } from '../../cause.ts'
import { ofLinks, overPods, repeated, seenOf } from '../parts.ts'

const names: Readonly<Record<string, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

export const familyBroken: Cause = {
  name: 'family-broken',
  scopes: ofLinks,
  proofs: ['trace'],
  severity: 'critical',
  rarity: 0.5,
  because: 'one IP version is broken',
  means: 'One IP version does not get through, while the other does.',
  shows: 'Everything over IPv6 (or IPv4) is silent or unreachable, and passes over the other.',
  usually: [
    'firewall rules for one family only: ip6tables policy DROP, or ICMPv6 blocked, so that neighbours are not found',
    'routes or tunnels of one family are missing: Calico has vxlan.calico and vxlan-v6.calico, Flannel needs EnableIPv6, Cilium ipv6.enabled',
    'AWS: security groups have IPv4 and IPv6 rules apart; Azure and Google Cloud: the subnet has no IPv6 range',
    'forwarding is off: net.ipv6.conf.all.forwarding',
  ],
  remedy: 'Compare ip -6 route, ip6tables and sysctls between a working node and this one.',
  // Where there is one IP version, it is not the odd one.
  isExcluded: (failing, passing) =>
    new Set([...failing, ...passing].filter(overPods).map(({ family }) => family)).size < 2,
  variants: (failing) =>
    [...new Set(failing.flatMap(({ family }) => family ?? []))].flatMap((family) =>
      seenOf(failing, ['silent', 'unreachable']).map((symptom) => ({
        id: `${family} ${symptom}`,
        lines: [surely((aspect) => overPods(aspect) && aspect.family === family, symptom), surely(overPods, 'passes')],
      })),
    ),
  says: ({ where, failing: [fact] }) =>
    `${names[fact?.family ?? ''] ?? 'one IP version'} does not get through, while the other one does: ${where}`,
  next: (said) => repeated(said),
}
