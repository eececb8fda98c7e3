import { type Cause, isDns, isDnsOverTcp, surely } from '../../cause.ts'
import { ifSeen, isAnsweredByUdp, isUnsteady, repeated, seenOf } from '../parts.ts'

const ways = ['silent', 'refused', 'unreachable', 'prohibited'] as const

export const dnsTruncationBlocked: Cause = {
  name: 'dns-truncation-blocked',
  scopes: ['name-server', 'node-side'],
  severity: 'warning',
  rarity: 0,
  because: 'DNS over TCP is blocked',
  means:
    'A name server answers over UDP but not over TCP, which resolvers need for answers that do not fit a datagram.',
  shows:
    'Queries over UDP pass, the same over TCP are silent or refused. Names with many addresses fail after long waits.',
  usually: [
    'a NetworkPolicy or security group that allows UDP 53 and forgets TCP 53',
    'a Service of the name server without its TCP port',
    'a name server outside the cluster that does not serve TCP',
  ],
  remedy: 'Allow TCP 53 wherever UDP 53 is allowed.',
  variants: (failing) => [
    ...ifSeen(failing, isDnsOverTcp, {
      id: 'tcp',
      direction: 'none',
      lines: [surely(isDnsOverTcp, ...seenOf(failing, ways))],
    }),
    // Where every answer is truncated, queries over UDP need TCP, too.
    ...(failing.some(isAnsweredByUdp)
      ? [{ id: 'truncated', direction: 'none', lines: [surely(isDns, ...seenOf(failing, ways))] } as const]
      : []),
  ],
  isExcluded: (_, passing) => isUnsteady(passing),
  says: ({ where }) => `DNS over TCP is blocked, so that truncated answers cannot be completed: ${where}`,
  next: (said) => repeated(said),
}
