import { z } from 'zod'
import { tunnelInterface, tunnelPort } from '../topology.ts'
import { between, type Change, defineFault, selector } from './fault.ts'
import { iptablesRule } from './iptables.ts'
import { hit, inUnderlay, ip, tableAt } from './rules.ts'
import { selectFlows } from './selection.ts'
import { tunnelDestination } from './settings.ts'

const overlayBlocked = defineFault({
  name: 'overlay-blocked',
  summary: "the tunnel's UDP port is dropped between nodes",
  signature: 'nothing passes between pods of the two nodes; node to node everything works',
  needs: { network: 'vxlan' },
  parameters: z.strictObject({ ...between('both') }),
  changes: (topology, parameters) =>
    inUnderlay(topology, parameters, (match) => [hit(`${match} udp dport ${tunnelPort}`, 'drop')]),
})

const wrongVtep = defineFault({
  name: 'wrong-vtep',
  summary: 'a node has the wrong address for the other end of a tunnel',
  signature: 'nothing passes between pods of the two nodes; node to node everything works',
  needs: { network: 'vxlan' },
  parameters: z.strictObject({ from: selector('1'), to: selector('2') }),
  changes: (topology, { from, to }) =>
    selectFlows(topology, { from, to, direction: 'forward' }).flatMap(({ sources, destination }) =>
      sources.flatMap((source) => {
        const nobody = destination.zone.unused[topology.tunnelFamily]
        return [
          {
            kind: 'setting',
            setting: tunnelDestination({ namespace: source.name, mac: destination.tunnel.mac }),
            value: nobody,
          },
          tableAt(
            source,
            [{ hook: 'output', priority: 0 }],
            [hit(`${ip[topology.tunnelFamily]} daddr ${nobody} udp dport ${tunnelPort}`)],
          ),
        ]
      }),
    ),
})

const checksumsBroken = defineFault({
  name: 'checksums-broken',
  summary: 'TCP and UDP get wrong checksums on their way into the tunnel, as from an interface whose offload is broken',
  signature:
    'between pods of the two nodes TCP and UDP are silent and InCsumErrors grows, pings work; node to node everything works',
  needs: { network: 'vxlan' },
  parameters: z.strictObject({ ...between('both') }),
  changes: (topology, parameters) =>
    selectFlows(topology, parameters).flatMap(({ sources, destination }) =>
      sources.flatMap((source): readonly Change[] => [
        // Links of a lab carry no checksums, and receivers do not look at any, until something computes them.
        ...topology.families.map((family) =>
          iptablesRule(source.name, family, {
            table: 'mangle',
            text: `POSTROUTING -o ${tunnelInterface} -d ${destination.podRange[family]} -j CHECKSUM --checksum-fill`,
          }),
        ),
        tableAt(
          source,
          [{ hook: 'postrouting', priority: 200 }],
          topology.families.flatMap((family) =>
            ['tcp', 'udp'].map((protocol) =>
              hit(
                `oifname "${tunnelInterface}" ${ip[family]} daddr ${destination.podRange[family]} meta l4proto ${protocol}`,
                `${protocol} checksum set 0x1bad`,
              ),
            ),
          ),
        ),
      ]),
    ),
})

export const overlayFaults = [overlayBlocked, wrongVtep, checksumsBroken] as const
