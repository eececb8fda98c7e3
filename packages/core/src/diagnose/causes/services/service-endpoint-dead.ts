import { type Cause, surely } from '../../cause.ts'
import { shellWord } from '../../shell.ts'
import { overServices, repeated, seenOf } from '../parts.ts'

export const serviceEndpointDead: Cause = {
  name: 'service-endpoint-dead',
  scopes: ['service'],
  severity: 'critical',
  rarity: 0,
  because: 'an endpoint behind it is dead',
  means: 'One endpoint of a Service, or all of them, does not answer, and the nodes still send connections to it.',
  shows:
    'A constant share of the attempts through the Service is lost, from every node: one of N endpoints is one Nth.',
  usually: [
    'a pod that hangs but has no readiness probe, or one that does not notice',
    'a node that was lost: its endpoints remain for up to 40 seconds, and longer if the control plane is cut off',
    'kube-proxy, Cilium or the load balancer of the cloud (AWS target groups in ip mode, Azure, Google NEG) lag behind the EndpointSlices',
    'a policy that admits connections on some of the nodes',
  ],
  remedy: 'kubectl get endpointslices lists the endpoints. Ask each one directly, and delete the pod that is silent.',
  variants: (failing) =>
    seenOf(failing, ['lossy', 'silent', 'unreachable']).map((symptom) => ({
      id: symptom,
      lines: [surely(overServices, symptom)],
      direction: 'none',
    })),
  says: ({ where, failing: [fact] }) =>
    fact?.symptom === 'lossy'
      ? `a part of the attempts to ${where} is lost, as if one of its endpoints were dead`
      : `no endpoint of ${where} answers`,
  next: ({ scope, ...said }) =>
    scope.kind === 'service' && /^[a-z]/.test(scope.name)
      ? `kubectl get endpointslices -A -l ${shellWord(`kubernetes.io/service-name=${scope.name.replace(/\..*$/, '')}`)}`
      : repeated({ scope, ...said }, ' --count 50'),
}
