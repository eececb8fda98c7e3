import { both, type Cause, isTcp, surely } from '../../cause.ts'
import { isLate } from '../../symptom-of.ts'
import { byFamily, lateIn, ofLinks, overFamily, overPods, repeated } from '../parts.ts'

export const synLoss: Cause = {
  name: 'syn-loss',
  scopes: ofLinks,
  severity: 'warning',
  rarity: 0.5,
  because: 'the first packet of connections is lost',
  means:
    'The first packet of a connection (SYN), or its answer, is lost. TCP repeats it after one second, so that connections open late.',
  shows: 'TCP handshakes take one second more, or three, and HTTP with them. UDP and ping are as fast as ever.',
  usually: [
    'SYN flood protection, a policer for new connections, or a firewall that authenticates the first packet (AWS Shield, Azure DDoS protection)',
    'a race of connection tracking when source ports are chosen (SNAT): kube-proxy with --random-fully, Flannel and Calico masquerade alike',
    'the accept queue of the listener overflows (see accept-queue-full)',
    'kube-proxy: bad checksums of the first packet in a tunnel, with 1, 3, … 63 s (kubernetes#88986)',
  ],
  remedy: 'Watch nstat TcpExtListenDrops, TcpExtTCPTimeouts and conntrack -S (insert_failed) while it happens.',
  variants: (failing) =>
    byFamily(failing, {
      id: 'all',
      lines: [
        surely((aspect) => overPods(aspect) && aspect.protocol === 'syn', ...lateIn(failing), 'lossy', 'silent'),
        surely(both(overPods, isTcp), ...lateIn(failing)),
      ],
    }),
  isExcluded: (failing) => !failing.some((fact) => isTcp(fact) && isLate(fact)),
  says: (said) =>
    `the first packet of TCP connections is lost, so that they open late${overFamily(said)}: ${said.where}`,
  next: (said) => repeated(said, ' --count 20'),
}
