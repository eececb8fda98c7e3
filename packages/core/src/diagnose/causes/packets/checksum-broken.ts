import { both, type Cause, either, isDns, isTcp, isUdp, mostly, surely } from '../../cause.ts'
import { byFamily, ifOverlay, ofLinks, onNode, overFamily, overPods, own } from '../parts.ts'

export const checksumBroken: Cause = {
  name: 'checksum-broken',
  scopes: ofLinks,
  severity: 'critical',
  rarity: 2.5,
  because: 'checksums are broken in the tunnel',
  means:
    'TCP and UDP arrive with wrong checksums, and the receiving kernel drops them. It computes those of pings itself, so they pass.',
  shows:
    'In an overlay, TCP and UDP are silent, pings pass, and name servers on other nodes are silent, too. A firewall that drops one port leaves them alone. The counters TcpInCsumErrors or UdpInCsumErrors grow.',
  usually: [
    'checksum offload of the tunnel interface: kernels before 5.7 with VXLAN and random-fully NAT (Flannel, Calico), vmxnet3 and some NICs with port 8472',
    'VMware: vmxnet3 before version 4 offloads for port 4789 only',
    'a virtual switch that forwards partial checksums (Azure accelerated networking, nested virtualisation)',
  ],
  remedy:
    'ethtool -K flannel.1 tx-checksum-ip-generic off (or vxlan.calico, cilium_vxlan) on the sending node shows whether this is it. Then update the kernel or the driver.',
  variants: (failing) =>
    byFamily(failing, {
      id: 'all',
      lines: [
        surely(both(overPods, either(isTcp, isUdp)), 'silent'),
        mostly(isDns, 'silent'),
        mostly(own('checksum-errors'), 'exhausted'),
      ],
    }),
  support: (nodes) => ifOverlay(nodes, 1, -6),
  says: (said) => `TCP and UDP vanish while pings pass${overFamily(said)}, as if checksums were broken: ${said.where}`,
  next: (said) => onNode(said, 'sh -c "grep -E \'Udp:|Tcp:\' /proc/net/snmp"'),
}
