import { anything, type Cause, mostly } from '../../cause.ts'

export const proberStarved: Cause = {
  name: 'prober-starved',
  scopes: ['prober'],
  severity: 'warning',
  rarity: 0,
  because: 'the agent does not get enough CPU',
  means: 'An agent does not get enough CPU to measure, so that its failures are its own.',
  shows:
    'Most checks from one node fail or are slow while its agent is late, and the same links pass from the other side.',
  usually: [
    'a CPU limit that throttles the agent',
    'a node with more runnable processes than CPUs',
    'a virtual machine whose host is overcommitted',
  ],
  remedy: 'Raise or remove the CPU limit of the agent, or find what occupies the node.',
  variants: () => [{ id: 'all', lines: [mostly(anything, 'silent', 'slow', 'lossy')], direction: 'none' }],
  support: (nodes) => (nodes.some(({ isStarved }) => isStarved) ? 12 : -50),
  says: ({ where }) => `${where} does not get enough CPU to measure: its failures are no evidence about the network`,
  next: ({ scope }) => `kubectl top pods -A --field-selector spec.nodeName=${'node' in scope ? scope.node : ''}`,
}
