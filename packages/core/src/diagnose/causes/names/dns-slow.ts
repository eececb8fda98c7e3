import { type Cause, evenly, isDns, isDnsPod, isDnsUsual, surely } from '../../cause.ts'
import type { Fact } from '../../evidence.ts'
import { listed } from '../../explain/words.ts'
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
  variants: (failing) =>
    isOfServers(failing)
      ? [{ id: 'direct', lines: [evenly(isDnsPod, 'slow', 'passes')], direction: 'none' }]
      : [{ id: 'all', lines: [surely(isDnsUsual, 'slow'), evenly(isDns, 'slow')], direction: 'none' }],
  says({ where, failing }) {
    if (!isOfServers(failing)) return `${where} answers late`
    const servers = [...new Set(failing.flatMap(({ server }) => server ?? []))].toSorted()
    return `${listed(servers)}, behind ${where}, ${servers.length === 1 ? 'answers' : 'answer'} late`
  },
  next: (said) => repeated(said, ' --count 20'),
}

/** Returns whether only servers that are asked directly are slow. */
function isOfServers(failing: readonly Fact[]): boolean {
  const slow = failing.filter((fact) => isDns(fact) && fact.symptom === 'slow')
  return slow.length > 0 && slow.every(isDnsPod)
}
