import { type Cause, isDns, surely } from '../../cause.ts'
import { repeated } from '../parts.ts'

export const dnsEndpointDown: Cause = {
  name: 'dns-endpoint-down',
  scopes: ['name-server'],
  severity: 'critical',
  rarity: 0.5,
  because: 'one of its servers is down',
  means: 'One of several name servers behind an address does not answer.',
  shows: 'A constant share of the queries through the address is lost, from every node.',
  usually: [
    'a CoreDNS pod that hangs but is still ready',
    'a policy or security group that admits queries on some of the nodes that run CoreDNS',
    'a node with CoreDNS that was lost and is still in the EndpointSlice',
  ],
  remedy: 'Query each CoreDNS pod directly, and delete the one that is silent.',
  variants: () => [{ id: 'all', lines: [surely(isDns, 'lossy')], direction: 'none' }],
  says: ({ where }) => `a part of the queries to ${where} is lost, as if one of its servers were down`,
  next: (said) => repeated(said, ' --count 50'),
}
