import { anything, both, type Cause, mostly, type Selector } from '../../cause.ts'
import { shellWord } from '../../shell.ts'
import { lateIn, overPods } from '../parts.ts'

/** What the agent answers and times itself. The kernel answers pings and handshakes, and stamps them. */
const byAgent: Selector = both(overPods, ({ protocol }) => protocol === 'http' || protocol === 'udp')

export const proberStarved: Cause = {
  name: 'prober-starved',
  scopes: ['prober'],
  severity: 'warning',
  rarity: 0,
  because: 'the agent does not get enough CPU',
  means: 'An agent does not get enough CPU to measure, so that its failures are its own.',
  shows:
    'HTTP and UDP checks from and to one node fail or are slow while its agent is late; pings and handshakes, which the kernel answers, may pass.',
  usually: [
    'a CPU limit that throttles the agent',
    'a node with more runnable processes than CPUs',
    'a virtual machine whose host is overcommitted',
  ],
  remedy: 'Raise or remove the CPU limit of the agent, or find what occupies the node.',
  variants: (failing) => [
    {
      id: 'all',
      lines: [
        mostly(byAgent, 'silent', ...lateIn(failing), 'lossy'),
        mostly(anything, 'silent', ...lateIn(failing), 'lossy', 'passes'),
      ],
      direction: 'none',
    },
  ],
  support: (nodes) => (nodes.some(({ isStarved }) => isStarved) ? 12 : -50),
  says: ({ where }) => `${where} does not get enough CPU to measure: its failures are no evidence about the network`,
  next: ({ scope }) =>
    `kubectl top pods -A --field-selector ${shellWord(`spec.nodeName=${'node' in scope ? scope.node : ''}`)}`,
}
