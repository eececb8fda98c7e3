import { type Cause, surely } from '../../cause.ts'
import { ifSeen, onNode, seenOf } from '../parts.ts'

const isOwnService = ({ path }: { readonly path: string }) => path === 'own-service'

export const hairpinBroken: Cause = {
  name: 'hairpin-broken',
  scopes: ['node-side', 'cluster'],
  severity: 'warning',
  rarity: 0,
  waitsFor: 'services',
  because: 'a pod does not reach itself through its Service',
  means: 'A pod does not reach itself through the address of its own Service.',
  shows:
    'Attempts through the own Service fail when it picks the same pod: one of N. Other pods reach it, and so does this pod others.',
  usually: [
    'the rule that masquerades such connections is missing: kube-proxy with --masquerade-all=false and a wrong --cluster-cidr',
    'hairpin_mode is off on the port of the bridge (kubenet, bridge plugin with hairpinMode: false; Flannel sets it)',
    'a NetworkPolicy that does not allow the pod itself; rp_filter in the pod',
  ],
  remedy:
    'Set hairpinMode in the CNI configuration, or repair the masquerading of kube-proxy; allow the pod in its policies.',
  variants: (failing) =>
    ifSeen(failing, isOwnService, {
      id: 'all',
      lines: [surely(isOwnService, ...seenOf(failing, ['lossy', 'silent']))],
    }),
  says: ({ where }) => `pods do not reach themselves through their own Service: ${where}`,
  next: (said) => onNode(said, 'sh -c "grep . /sys/class/net/*/brport/hairpin_mode"'),
}
