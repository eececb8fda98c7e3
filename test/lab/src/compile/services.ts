import type { Family, Node, Service, Topology } from '../topology.ts'

const table: Readonly<Record<Family, string>> = { ipv4: 'ip', ipv6: 'ip6' }

/**
 * Service addresses of one node as `nft -f` text, in the manner of kube-proxy: destination translation for packets of
 * pods (prerouting) and of the node itself (output), and masquerade where the answer would otherwise miss the node:
 * a pod that reaches itself through a service, and the node's own processes.
 */
export function compileServices({ families, services, dnsService }: Topology, node: Node): string {
  const all = [...services, ...(dnsService === undefined ? [] : [dnsService])]
  if (all.length === 0) return ''
  return families.map((family) => familyTable(family, all, node)).join('\n')
}

function familyTable(family: Family, services: readonly Service[], node: Node): string {
  const ip = table[family]
  const rules = services.flatMap((service) =>
    ['tcp', 'udp'].map((protocol) => {
      const match = `${ip} daddr ${service.addresses[family]} ${protocol} dport ${service.port}`
      return `    ${match} ${translation(family, service)}`
    }),
  )
  const hairpins = node.pods
    .filter((pod) => services.some((service) => service.endpoints.includes(pod)))
    .map(({ addresses }) => addresses[family])
    .map((own) => `    ct status dnat ${ip} saddr ${own} ${ip} daddr ${own} masquerade`)
  return [
    `table ${ip} kube {`,
    '  chain services {',
    ...rules,
    '  }',
    '  chain from-pods {',
    '    type nat hook prerouting priority dstnat',
    '    jump services',
    '  }',
    '  chain from-node {',
    '    type nat hook output priority -100',
    '    jump services',
    '  }',
    '  chain answers {',
    '    type nat hook postrouting priority srcnat',
    ...hairpins,
    `    ct status dnat ${ip} saddr ${node.addresses[family]} masquerade`,
    '  }',
    '}',
  ].join('\n')
}

/** Returns the verdict that sends a new flow to one of the endpoints. */
export function translation(family: Family, { endpoints, targetPort }: Service): string {
  const choices = endpoints.map((pod, index) => `${index} : ${pod.addresses[family]} . ${targetPort}`)
  return `dnat ${table[family]} to numgen random mod ${choices.length} map { ${choices.join(', ')} }`
}
