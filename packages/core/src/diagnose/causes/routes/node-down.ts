import { anything, type Cause, surely } from '../../cause.ts'
import { shellWord } from '../../shell.ts'
import { seenOf } from '../parts.ts'

export const nodeDown: Cause = {
  name: 'node-down',
  scopes: ['node'],
  severity: 'critical',
  rarity: 0,
  because: 'the machine is off',
  means: 'A node answers nobody, and its agent is not heard of.',
  shows: 'Every check to the node is silent from everywhere, and its agent sends no row.',
  usually: [
    'the machine is off, crashed or hangs',
    'the node ran out of memory or its disk failed',
    'a reboot without a drain',
    'a spot or preemptible instance that the cloud took back (AWS, Azure, Google Cloud)',
  ],
  remedy: 'Check the machine itself. When it is gone for good, kubectl delete node removes it.',
  variants: (failing) => [
    {
      id: 'all',
      lines: [surely(anything, ...seenOf(failing, ['silent', 'unreachable']))],
      isWhole: true,
      direction: 'none',
    },
  ],
  support: (nodes) =>
    nodes.reduce((sum, { hasRow, problems }) => sum + (hasRow ? -20 : 6) + (problems.length > 0 ? 3 : 0), 0),
  says: ({ where }) => `${where} answers nobody and its agent is silent: the node is down`,
  next: ({ scope }) => `kubectl describe node ${shellWord('node' in scope ? scope.node : '')}`,
}
