import { type Cause, surely } from '../../cause.ts'
import { ifSeen, onNode } from '../parts.ts'

const isKeptByService = ({ socket, path }: { readonly socket?: string | undefined; readonly path: string }) =>
  socket === 'kept' && (path === 'service' || path === 'name' || path.startsWith('dns-server'))

export const natEntryStale: Cause = {
  name: 'nat-entry-stale',
  scopes: ['node-side', 'service', 'name-server'],
  severity: 'warning',
  rarity: 0,
  because: 'a node translates it to an endpoint that is gone',
  means: 'A node still translates a flow to an endpoint that no longer exists, for as long as the flow sends.',
  shows: 'A socket that keeps sending to a Service gets no answer. A fresh socket to the same address does.',
  usually: [
    'UDP to a Service whose pod was replaced: kube-proxy did not delete the entry (kubernetes#106274, #125467)',
    'UDP to a hostPort or NodePort before its rules existed (portmap plugin)',
    'Cilium: a socket that was connected before its backend went, without socket termination',
  ],
  remedy:
    'conntrack -D -p udp --orig-dst ADDRESS on the node. Make the client open a fresh socket after some failures.',
  variants: (failing) =>
    ifSeen(failing, isKeptByService, {
      id: 'all',
      lines: [surely(isKeptByService, 'forgotten')],
    }),
  says: ({ where }) => `a node still translates flows to an endpoint that is gone: ${where}`,
  next: (said) => onNode(said, 'cat /proc/net/nf_conntrack'),
}
