import { type Cause, surely } from '../../cause.ts'
import { changedFact } from '../../evidence.ts'
import { ifOverlay, ofLinks, onNode, overPods, seenOf } from '../parts.ts'

export const routingBroken: Cause = {
  name: 'routing-broken',
  // Between zones it is a partition.
  scopes: ofLinks.filter((scope) => scope !== 'zone-pair'),
  proofs: ['trace'],
  severity: 'critical',
  rarity: 1,
  because: 'a route of the pod network is missing',
  means: 'Packets between the pods of these nodes have no working route.',
  shows: 'Between pods of two nodes everything is silent or unreachable; name servers and other nodes are reached.',
  usually: [
    'Calico and kube-router: a BGP session is down (TCP 179), or a node is not in the mesh; Cilium in native routing: autoDirectNodeRoutes needs one subnet',
    'Flannel host-gw: nodes are not on one subnet',
    'Azure kubenet and Google Cloud routes: the route table is full, or its controller lags behind',
    'AWS: source and destination check is on for the instance; VPC CNI: a secondary interface without its rules (ip rule)',
  ],
  remedy: 'Compare ip route on both nodes with the pod CIDRs, and the route table of the cloud.',
  variants(failing) {
    const symptoms = seenOf(failing, ['silent', 'unreachable'])
    // Where one direction has no route, one side is told so and the other hears nothing.
    const forms = symptoms.length > 1 ? [...symptoms.map((one) => [one]), symptoms] : [symptoms]
    return forms.flatMap((shown) =>
      shown.length === 0 ? [] : [{ id: shown.join(' or '), lines: [surely(overPods, ...shown)], isWhole: true }],
    )
  },
  support: (nodes) => ifOverlay(nodes, -2, 1),
  says({ where, failing }) {
    const [by] = failing.flatMap(({ icmpFrom }) => icmpFrom ?? [])
    return `there is no working route: ${where}${by === undefined ? '' : `, says ${by}`}`
  },
  next: (said) =>
    onNode({ ...said, failing: said.failing.map((fact) => changedFact(fact, { to: senderOf(fact) })) }, 'ip route'),
}

/** The sender's route is the one to look at first. */
function senderOf({ from }: { readonly from: string }) {
  return { kind: 'node', name: from } as const
}
