import { type Cause, surely } from '../../cause.ts'
import { onNode, own } from '../parts.ts'

const clock = own('clock')

export const clockSkew: Cause = {
  name: 'clock-skew',
  scopes: ['node'],
  severity: 'informational',
  rarity: 0,
  because: 'its clock is wrong',
  means:
    'The clock of a node differs from those of the others by seconds. Times of its log and of its failures are off by as much.',
  shows: "The agent's row carries another time than its reader's clock and the rows of other nodes.",
  usually: [
    'no time synchronisation: chrony or systemd-timesyncd does not run, or UDP 123 is blocked',
    'AWS, Azure and Google Cloud have a clock of their own (169.254.169.123, the PTP device of Hyper-V, metadata.google.internal), which is not configured',
    'a virtual machine that was suspended or moved',
  ],
  remedy: 'chronyc tracking on the node. Certificates, tokens and leases break from some ten seconds on.',
  variants: () => [{ id: 'all', lines: [surely(clock, 'skewed')], direction: 'none' }],
  says: ({ where, failing: [fact] }) => fact?.message ?? `the clock of ${where} is wrong`,
  next: (said) => onNode(said, 'date -u'),
}
