import { anything, both, type Cause, either, isTcp, isUdp, surely, type Variant } from '../../cause.ts'
import type { Symptom } from '../../evidence.ts'
import { byFamily, ofLinks, overFamily, overPods, repeated, seenOf } from '../parts.ts'

const ways = ['silent', 'refused', 'reset', 'unreachable', 'prohibited'] as const satisfies readonly Symptom[]

const words = {
  silent: 'is dropped',
  refused: 'is refused by something in between',
  reset: 'is reset by something in between',
  unreachable: 'is rejected as unreachable',
  prohibited: 'is rejected by a firewall',
} as const

/** ICMP alone is the matter of `icmp-filtered`: it harms no application. */
const filtered = [
  { name: 'TCP', about: isTcp },
  { name: 'UDP', about: isUdp },
  { name: 'the port', about: either(isTcp, isUdp) },
  { name: 'every protocol', about: anything },
] as const

/** What a filter sends back. Silence and unreachability of every protocol have other causes. */
const rejections: readonly Symptom[] = ['refused', 'reset', 'prohibited']
/** Nats that it costs if one side is refused and the other hears nothing, because the answers to it are rejected, too. */
const bothWaysPrice = 0.5

/**
 * Nats that a refusal costs: a firewall rarely refuses as a closed port does. Least on some of the ways to a node, because a closed port refuses
 * on all of them; most for TCP and UDP together, which a closed port refuses both.
 */
const refusedPrice = 1
const refusedOnASidePrice = 3
const refusedPortPrice = 4

const notOnASide = ofLinks.filter((kind) => kind !== 'node-side')

export const protocolFiltered: Cause = {
  name: 'protocol-filtered',
  scopes: ofLinks,
  proofs: ['trace'],
  severity: 'critical',
  rarity: 0,
  because: 'a firewall or policy stops it',
  means: 'Something between the nodes drops or rejects one protocol or port. Other protocols pass.',
  shows: 'All sizes of one protocol fail in the same way on the same links, while others pass.',
  usually: [
    'a NetworkPolicy, CiliumNetworkPolicy or Calico GlobalNetworkPolicy that allows some protocols or ports only',
    'AWS: a security group that lists protocols one by one, a stateless network ACL without the return ports, or a security group of the pod (VPC CNI)',
    'Azure and Google Cloud: an NSG or VPC firewall rule that does not name the pod addresses, which are no node addresses',
    'firewalld or ufw on the nodes, started after the CNI wrote its rules: the default of firewalld rejects forwarded packets',
  ],
  remedy:
    'Compare the policies and firewall rules that apply to both nodes. Rejections name their sender in the evidence; silence has none.',
  variants: (failing) =>
    filtered.flatMap(({ name, about }) => {
      const seen = seenOf(failing.filter(about), ways)
      return seen.flatMap((way): readonly Variant[] => {
        const isRejection = rejections.includes(way)
        if (name === 'every protocol' && !isRejection) return []
        const price = way === 'refused' ? (name === 'the port' ? refusedPortPrice : refusedPrice) : 0
        const form = (id: string, shows: readonly Symptom[], more: Pick<Variant, 'price' | 'scopes'>) =>
          byFamily(failing, { id: `${name} ${id}`, lines: [surely(both(overPods, about), ...shows)], ...more })
        return [
          ...(way === 'refused' && price < refusedOnASidePrice
            ? [
                ...form(way, [way], { price, scopes: notOnASide }),
                ...form(`${way} on a side`, [way], { price: refusedOnASidePrice, scopes: ['node-side'] }),
              ]
            : form(way, [way], { price })),
          ...(isRejection && seen.includes('silent')
            ? form(`${way} or silent`, [way, 'silent'], { price: price + bothWaysPrice, scopes: ['link'] })
            : []),
        ]
      })
    }),
  says(said) {
    const { failing, where, variant } = said
    const kind = filtered.find(({ name }) => variant.id.startsWith(name))
    const way = ways.find((one) => variant.id.startsWith(`${kind?.name} ${one}`)) ?? 'silent'
    const fact = failing.find(({ symptom }) => symptom === way)
    const by = fact?.icmpFrom === undefined ? '' : `, says ${fact.icmpFrom}`
    return `${kind?.name ?? 'a protocol'} ${words[way]}${overFamily(said)}: ${where}${by}`
  },
  next: (said) => repeated(said, ' --count 20'),
}
