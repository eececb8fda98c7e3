import { anything, type Cause, surely } from '../../cause.ts'
import { seenOf } from '../parts.ts'

export const zonePartition: Cause = {
  name: 'zone-partition',
  scopes: ['zone-pair', 'node-group'],
  severity: 'critical',
  rarity: 0,
  because: 'the network is split',
  means: 'The network is split: two zones, or two groups of nodes, do not reach each other, while each works within.',
  shows: 'Every check between the two sides is silent; within each side everything passes.',
  usually: [
    'an outage of the link between zones or sites',
    'a router or network ACL between subnets, or a route table that lacks the other subnet',
    'a VPN, VPC peering or transit gateway that is down',
    'Calico: BGP route reflectors of one rack are down',
  ],
  remedy: 'Check the connection between the zones. Applications with a quorum are affected on the smaller side.',
  variants: (failing) => [
    { id: 'all', lines: [surely(anything, ...seenOf(failing, ['silent', 'unreachable']))], isWhole: true },
  ],
  says: ({ where, scope }) =>
    scope.kind === 'node-group'
      ? `the network is split: ${where} reach each other, but nobody else does`
      : `the network is split: nothing gets through between zones ${where}`,
  next: () => 'scout-probe mesh',
}
