import { type Cause, isDns, isDnsPod, surely } from '../../cause.ts'
import { isAnsweredByUdp, seenOf } from '../parts.ts'

export const dnsNoEndpoints: Cause = {
  name: 'dns-no-endpoints',
  scopes: ['name-server'],
  severity: 'critical',
  rarity: 0,
  because: 'no server is behind it',
  means: 'The address of the name server exists, but there is no ready name server behind it.',
  shows: 'Queries are refused at once from every node.',
  usually: ['no CoreDNS pod is ready, so that the nodes reject its Service', 'CoreDNS was scaled to zero'],
  remedy: 'kubectl -n kube-system get endpointslices -l k8s-app=kube-dns must list ready addresses.',
  variants: (failing) => [
    { id: 'all', lines: [surely(isDns, ...seenOf(failing, ['refused', 'prohibited']))], direction: 'none' },
  ],
  isExcluded: (failing, passing) => failing.some(isAnsweredByUdp) || passing.some(isDnsPod),
  says: ({ where }) => `${where} has no server behind it: nodes refuse its queries at once`,
  next: () => 'kubectl -n kube-system get endpointslices -l k8s-app=kube-dns',
}
