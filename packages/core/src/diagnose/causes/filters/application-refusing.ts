import { hostIn } from '../../../model/target.ts'
import { both, type Cause, either, isTcp, isUdp, surely } from '../../cause.ts'
import type { Fact } from '../../evidence.ts'
import { overPods, overServices, repeated } from '../parts.ts'

export const applicationRefusing: Cause = {
  name: 'application-refusing',
  scopes: ['link', 'node-side', 'service'],
  severity: 'warning',
  rarity: 0.5,
  because: 'nothing listens there',
  means: 'The address answers, but nothing listens on the port: the application is down or listens elsewhere.',
  shows: 'TCP and UDP to the port are refused at once, by the address itself, while ping passes.',
  usually: [
    'the process in the pod crashed, or listens on another port or on localhost only',
    'the port of a Service does not match the container',
    'a Service without ready endpoints: kube-proxy and Cilium refuse its address',
    'a pod address that was given to another pod, which has no such port',
  ],
  remedy:
    'Check the pod on that node: kubectl get pods -o wide, kubectl logs. For a Service, kubectl get endpointslices must list ready addresses.',
  // Whatever refuses under another address is a device in between.
  isExcluded: (failing) => failing.filter(overPods).some(isRefusedByOther),
  variants: () => [
    { id: 'both', lines: [surely(both(overPods, either(isTcp, isUdp)), 'refused')] },
    { id: 'TCP', lines: [surely(both(overPods, isTcp), 'refused')], price: 1 },
    { id: 'UDP', lines: [surely(both(overPods, isUdp), 'refused')], price: 1 },
    { id: 'service', lines: [surely(overServices, 'refused')] },
  ],
  says: ({ where }) => `nothing listens on the port, though the host answers: ${where}`,
  next: (said) => repeated(said),
}

function isRefusedByOther({ symptom, icmpFrom, target }: Fact): boolean {
  return symptom === 'refused' && icmpFrom !== undefined && icmpFrom !== hostIn(target)
}
