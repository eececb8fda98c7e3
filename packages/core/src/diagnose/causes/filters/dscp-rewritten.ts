import { type Cause, surely } from '../../cause.ts'
import type { Fact } from '../../evidence.ts'
import { byCheck, ofLinks, repeated } from '../parts.ts'

/*
 * Many networks rewrite DSCP on purpose, so it harms nobody, and only checks that a configuration adds ask for it. A network that rewrites
 * all of them is one finding about the cluster: silence would tell who configured such a check that marks arrive.
 */

export const dscpRewritten: Cause = {
  name: 'dscp-rewritten',
  scopes: ofLinks,
  severity: 'informational',
  rarity: 0,
  because: 'a device rewrites its DSCP',
  means: 'A device changes the DSCP of packets, so that they lose their priority.',
  shows:
    'A check of UDP with a DSCP (checks: {dscp: {probe: udp, dscp: 46, interval: 5m}}) reports that its packets arrive with another one. Nothing is lost.',
  usually: [
    'cloud networks (AWS, Azure, Google Cloud) clear or ignore it between hosts',
    'tunnels that do not copy it to the outer header: VXLAN of Flannel and Calico without tos inherit',
    'a switch whose ports do not trust marks',
  ],
  remedy: 'Trust DSCP on the ports of the path, or set tos inherit on the tunnel.',
  variants: (failing) =>
    byCheck(failing, 'remarked', (about) => ({ id: 'marked', lines: [surely(about, 'remarked')] })),
  says({ where, failing }) {
    const changes = new Set(failing.flatMap(({ dscp }) => (dscp === undefined ? [] : `${dscp.sent} to ${dscp.seen}`)))
    const [change] = changes
    return changes.size === 1
      ? `the DSCP of packets changes from ${change} on the way: ${where}`
      : `the DSCP of packets changes on the way: ${where}`
  },
  next: (said) => repeated(said, optionOf(said.failing)),
}

function optionOf(failing: readonly Fact[]): string {
  const dscp = failing.find((fact) => fact.dscp !== undefined)?.dscp
  return dscp === undefined ? '' : ` --dscp ${dscp.sent}`
}
