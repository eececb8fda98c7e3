import { type Cause, surely } from '../../cause.ts'
import { ifSeen, ofLinks, repeated } from '../parts.ts'

const isMarked = ({ check }: { readonly check: string }) => check.endsWith('-marked')

export const dscpRewritten: Cause = {
  name: 'dscp-rewritten',
  scopes: ofLinks,
  severity: 'informational',
  rarity: 0,
  waitsFor: 'marks',
  because: 'a device rewrites its DSCP',
  means: 'A device changes the DSCP of packets, so that they lose their priority.',
  shows: 'Packets arrive with another DSCP than they were sent with. Nothing is lost.',
  usually: [
    'cloud networks (AWS, Azure, Google Cloud) clear or ignore it between hosts',
    'tunnels that do not copy it to the outer header: VXLAN of Flannel and Calico without tos inherit',
    'a switch whose ports do not trust marks',
  ],
  remedy: 'Trust DSCP on the ports of the path, or set tos inherit on the tunnel.',
  variants: (failing) => ifSeen(failing, isMarked, { id: 'all', lines: [surely(isMarked, 'remarked')] }),
  says: ({ where }) => `the DSCP of packets changes on the way: ${where}`,
  next: (said) => repeated(said),
}
