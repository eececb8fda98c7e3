import { hostIn } from '../../../model/target.ts'
import {
  both,
  type Cause,
  evenly,
  isFragmented,
  isLarge,
  isSmall,
  isTcp,
  mostly,
  type Selector,
  surely,
} from '../../cause.ts'
import { shellWord } from '../../shell.ts'
import { byFamily, ofLinks, overFamily, overPods, proven } from '../parts.ts'

const isDatagram: Selector = (aspect) => !isTcp(aspect)

export const mtuBlackHole: Cause = {
  name: 'mtu-black-hole',
  scopes: ofLinks,
  proofs: ['mtu'],
  severity: 'critical',
  rarity: 0,
  because: 'large packets vanish',
  means: 'Large packets vanish without an ICMP error, so that senders never learn to send smaller ones.',
  shows: 'Small packets of every protocol pass. Large pings, large datagrams and large HTTP bodies get no answer.',
  usually: [
    "the pod network's MTU does not leave room for the tunnel: VXLAN takes 50 bytes (70 over IPv6), WireGuard 60 or 80, IP-in-IP 20",
    'Flannel, Calico and Cilium detect the MTU at start, of one interface: nodes with other interfaces or clouds differ',
    'AWS: jumbo frames (9001) end at VPN, transit gateway (8500) and internet (1500); Azure: 1500, with outer fragments dropped; Google Cloud: 1460 unless the VPC says otherwise',
    'a firewall that drops ICMP "fragmentation needed" or ICMPv6 "packet too big"',
    'jumbo frames on one side only, a VPN or a GRE tunnel between sites',
  ],
  remedy: 'Lower the MTU of the CNI to what the path carries, or let the ICMP errors through, or clamp the MSS.',
  isExcluded: (failing) => failing.some(({ symptom }) => symptom === 'too-big'),
  variants: (failing) => [
    ...byFamily(failing, {
      id: 'large',
      lines: [
        surely(proven('mtu'), 'silent'),
        // Routers may make smaller fragments of them over IPv4.
        evenly(both(overPods, isFragmented), 'silent'),
        surely(both(overPods, isLarge, isDatagram), 'silent'),
        mostly(both(overPods, isLarge), 'silent'),
        surely(both(overPods, isSmall), 'passes'),
      ],
    }),
    // Between the size of a large datagram and a full segment.
    ...byFamily(failing, {
      id: 'segments',
      lines: [
        surely(proven('mtu'), 'silent'),
        evenly(both(overPods, isFragmented), 'silent'),
        surely(both(overPods, isLarge, isTcp), 'silent'),
      ],
      price: 1,
    }),
  ],
  says(said) {
    const found = said.collected.find(({ proof, shows }) => proof === 'mtu' && shows === 'silent')
    if (found !== undefined) return `${found.says}: ${said.where}`
    const smallest = Math.min(
      ...said.failing.flatMap(({ bytes = 0, protocol }) => (protocol === 'http' ? [] : [bytes])),
    )
    const size = Number.isFinite(smallest) ? `packets with ${smallest} bytes of payload` : 'full-sized TCP segments'
    return `${size} vanish while small ones pass${overFamily(said)}: ${said.where}`
  },
  next({ failing: [fact] }) {
    return fact === undefined
      ? 'scout-probe mesh'
      : `scout-probe --from ${shellWord(fact.from)} icmp ${shellWord(hostIn(fact.target))} --payload-bytes 1472`
  },
}
