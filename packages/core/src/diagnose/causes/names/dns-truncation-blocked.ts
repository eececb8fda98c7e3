import { type Cause, surely } from '../../cause.ts'
import { ifSeen, repeated, seenOf } from '../parts.ts'

const overTcp = ({ check }: { readonly check: string }) => check === 'dns-tcp'

export const dnsTruncationBlocked: Cause = {
  name: 'dns-truncation-blocked',
  scopes: ['name-server', 'node-side'],
  severity: 'warning',
  rarity: 0,
  waitsFor: 'servers',
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
  variants: (failing) =>
    ifSeen(failing, overTcp, {
      id: 'all',
      direction: 'none',
      lines: [surely(overTcp, ...seenOf(failing, ['silent', 'refused', 'unreachable', 'prohibited']))],
    }),
  says: ({ where }) => `DNS over TCP is blocked, so that truncated answers cannot be completed: ${where}`,
  next: (said) => repeated(said),
}
