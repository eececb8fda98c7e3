import { type Cause, isDns, surely } from '../../cause.ts'
import { repeated } from '../parts.ts'

export const dnsSlow: Cause = {
  name: 'dns-slow',
  scopes: ['name-server'],
  severity: 'warning',
  rarity: 0,
  because: 'it is overloaded',
  means: 'A name server answers later than it used to.',
  shows: 'Queries from every node are slower than before, while the links between nodes are not.',
  usually: [
    'CoreDNS is throttled by its CPU limit',
    'its upstream server is slow',
    'AWS: more than 1,024 packets a second to the VPC resolver per interface are dropped and repeated; Azure and Google Cloud limit as well',
    'many queries for names outside the cluster, multiplied by search domains',
  ],
  remedy: 'Look at the CPU throttling of CoreDNS and its forward latency; scale it out.',
  variants: () => [{ id: 'all', lines: [surely(isDns, 'slow')], direction: 'none' }],
  says: ({ where }) => `${where} answers late`,
  next: (said) => repeated(said, ' --count 20'),
}
