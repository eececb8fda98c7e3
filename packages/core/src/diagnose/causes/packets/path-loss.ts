import { type Cause, surely } from '../../cause.ts'
import { listed } from '../../explain/words.ts'
import { ofLinks, onNode, seenOf } from '../parts.ts'

export const pathLoss: Cause = {
  name: 'path-loss',
  scopes: ofLinks,
  severity: 'critical',
  rarity: 0,
  waitsFor: 'flows',
  because: 'one of several parallel paths is broken',
  means: 'One of several parallel paths loses packets: the flows that hash to it fail, all others pass.',
  shows: 'The same source ports fail in every round, and other ports never do.',
  usually: [
    'a broken member of a bond or link aggregation, of the node or between switches',
    'one of several routers of equal cost (ECMP), which BGP of Calico, Cilium or MetalLB announces',
    'a receive queue of the interface whose CPU is saturated (AWS ENA, Azure, gVNIC of Google Cloud)',
  ],
  remedy: 'Take members of the bond down one by one, or trace with the failing source port.',
  variants(failing) {
    const flows = [...new Set(failing.flatMap(({ flow }) => flow ?? []))].toSorted((a, b) => a - b)
    if (flows.length === 0) return []
    const isOfThem = ({ flow }: { readonly flow?: number | undefined }) => flow !== undefined && flows.includes(flow)
    const shown = seenOf(failing, ['silent', 'lossy'])
    return shown.length === 0 ? [] : [{ id: flows.join(), lines: [surely(isOfThem, ...shown)] }]
  },
  says: ({ where, failing }) =>
    `flows from source port ${listed([...new Set(failing.flatMap(({ flow }) => (flow === undefined ? [] : [String(flow)])))])} fail, others pass, as if one of several parallel paths were broken: ${where}`,
  next: (said) => onNode(said, 'sh -c "cat /proc/net/bonding/*"'),
}
