import { both, type Cause, isTcp, mostly, surely } from '../../cause.ts'
import { ifSeen, lateIn, onNode, overPods, own } from '../parts.ts'

const counter = own('accept-queue-overflows')

export const acceptQueueFull: Cause = {
  name: 'accept-queue-full',
  scopes: ['node-side', 'node', 'service'],
  severity: 'warning',
  rarity: 0,
  waitsFor: 'counters',
  because: 'the listener does not accept connections fast enough',
  means:
    'A program does not accept connections as fast as they come, so that the kernel drops the handshakes of new ones.',
  shows:
    'TCP to one node opens late or not at all, from everywhere. UDP and ping pass, and the counter ListenOverflows of that node grows.',
  usually: [
    'the event loop of the application is busy, or it is throttled by its CPU limit',
    'a backlog of the listener, or net.core.somaxconn in the pod, that is too small',
    'a burst of connections after a failover or a rollout',
  ],
  remedy: 'ss -lnt in the pod shows the queue (Recv-Q) against its limit (Send-Q). Raise the backlog, or scale out.',
  variants: (failing) =>
    ifSeen(failing, counter, {
      id: 'all',
      lines: [surely(counter, 'exhausted'), mostly(both(overPods, isTcp), 'lossy', 'silent', ...lateIn(failing))],
    }),
  says: ({ where }) => `the program there does not accept connections fast enough: ${where}`,
  next: (said) => onNode(said, 'sh -c "grep -A1 ListenOverflows /proc/net/netstat"'),
}
