import { anything, type Cause, surely } from '../../cause.ts'
import { shellWord } from '../../shell.ts'
import { seenOf } from '../parts.ts'

export const nodeIsolated: Cause = {
  name: 'node-isolated',
  scopes: ['node'],
  severity: 'critical',
  rarity: 1,
  isOfBothWays: true,
  because: 'the node is cut off from the network',
  means: 'A node runs, but the network does not reach it, in either direction.',
  shows: 'Every check from and to the node fails, name servers included.',
  usually: [
    'a cable, switch port, bond or virtual interface of the node',
    'a firewall of the node that drops everything',
    'a wrong VLAN, or AWS, Azure or Google Cloud: a security group or NSG that was taken from or put on the instance',
    'Cilium or Calico host policies that deny the node itself',
  ],
  remedy: 'Look at the node over its console: ip link, ip route, and the firewall.',
  variants: (failing) => [
    { id: 'all', lines: [surely(anything, ...seenOf(failing, ['silent', 'unreachable']))], isWhole: true },
  ],
  support: (nodes) => nodes.reduce((sum, { hasRow }) => sum + (hasRow ? 1 : 0), 0),
  says: ({ where }) => `${where} is cut off: nothing reaches it and it reaches nothing`,
  next: ({ scope }) => `kubectl describe node ${shellWord('node' in scope ? scope.node : '')}`,
}
