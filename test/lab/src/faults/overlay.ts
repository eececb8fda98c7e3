import { z } from 'zod'
import { tunnelPort } from '../topology.ts'
import { between, defineFault, selector } from './fault.ts'
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

export const overlayFaults = [overlayBlocked, wrongVtep] as const
