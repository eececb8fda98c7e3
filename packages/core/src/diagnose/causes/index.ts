import type { Cause } from '../cause.ts'
import { applicationRefusing } from './filters/application-refusing.ts'
import { dscpRewritten } from './filters/dscp-rewritten.ts'
import { icmpFiltered } from './filters/icmp-filtered.ts'
import { idleFlowDropped } from './filters/idle-flow-dropped.ts'
import { localEgressDenied } from './filters/local-egress-denied.ts'
import { protocolFiltered } from './filters/protocol-filtered.ts'
import { tcpReset } from './filters/tcp-reset.ts'
import { acceptQueueFull } from './hosts/accept-queue-full.ts'
import { clockSkew } from './hosts/clock-skew.ts'
import { conntrackExhausted } from './hosts/conntrack-exhausted.ts'
import { natEntryStale } from './hosts/nat-entry-stale.ts'
import { neighbourOverflow } from './hosts/neighbour-overflow.ts'
import { portsExhausted } from './hosts/ports-exhausted.ts'
import { proberStarved } from './hosts/prober-starved.ts'
import { dnsEndpointDown } from './names/dns-endpoint-down.ts'
import { dnsError } from './names/dns-error.ts'
import { dnsNoEndpoints } from './names/dns-no-endpoints.ts'
import { dnsRace } from './names/dns-race.ts'
import { dnsServerDown } from './names/dns-server-down.ts'
import { dnsSlow } from './names/dns-slow.ts'
import { dnsTruncationBlocked } from './names/dns-truncation-blocked.ts'
import { dnsUpstreamLimited } from './names/dns-upstream-limited.ts'
import { checksumBroken } from './packets/checksum-broken.ts'
import { duplication } from './packets/duplication.ts'
import { fragmentsDropped } from './packets/fragments-dropped.ts'
import { mtuBlackHole } from './packets/mtu-black-hole.ts'
import { packetLoss } from './packets/packet-loss.ts'
import { pathLoss } from './packets/path-loss.ts'
import { reordering } from './packets/reordering.ts'
import { synLoss } from './packets/syn-loss.ts'
import { asymmetricRoute } from './routes/asymmetric-route.ts'
import { familyBroken } from './routes/family-broken.ts'
import { linkFlapping } from './routes/link-flapping.ts'
import { nodeDown } from './routes/node-down.ts'
import { nodeIsolated } from './routes/node-isolated.ts'
import { overlayBlocked } from './routes/overlay-blocked.ts'
import { routingBroken } from './routes/routing-broken.ts'
import { zonePartition } from './routes/zone-partition.ts'
import { hairpinBroken } from './services/hairpin-broken.ts'
import { serviceEndpointDead } from './services/service-endpoint-dead.ts'
import { serviceRulesMissing } from './services/service-rules-missing.ts'
import { bandwidthLimited } from './timing/bandwidth-limited.ts'
import { bufferBloat } from './timing/buffer-bloat.ts'
import { jitter } from './timing/jitter.ts'
import { latencyRaised } from './timing/latency-raised.ts'

export { linkFlapping } from './routes/link-flapping.ts'
export { unexplained } from './unexplained.ts'

/** All causes but `unexplained`, which competes with each of them. */
export const causes: readonly Cause[] = [
  protocolFiltered,
  localEgressDenied,
  overlayBlocked,
  routingBroken,
  checksumBroken,
  mtuBlackHole,
  fragmentsDropped,
  packetLoss,
  pathLoss,
  synLoss,
  tcpReset,
  acceptQueueFull,
  idleFlowDropped,
  natEntryStale,
  conntrackExhausted,
  neighbourOverflow,
  latencyRaised,
  jitter,
  bandwidthLimited,
  bufferBloat,
  duplication,
  reordering,
  dnsServerDown,
  dnsSlow,
  dnsError,
  dnsTruncationBlocked,
  dnsRace,
  dnsEndpointDown,
  dnsNoEndpoints,
  dnsUpstreamLimited,
  serviceEndpointDead,
  serviceRulesMissing,
  hairpinBroken,
  nodeDown,
  nodeIsolated,
  zonePartition,
  linkFlapping,
  familyBroken,
  asymmetricRoute,
  portsExhausted,
  dscpRewritten,
  icmpFiltered,
  applicationRefusing,
  clockSkew,
  proberStarved,
]
