import type { Lab } from '../lab.ts'

/** Who is where, and which faults are at work. */
export async function statusText({ topology, injections }: Lab): Promise<string> {
  const { families, nodes, services, dnsService } = topology
  const places = nodes.flatMap((node) => [
    [node.name, node.zone.name, ...families.map((family) => node.addresses[family])],
    ...node.pods.map((pod) => [`  ${pod.name}`, '', ...families.map((family) => pod.addresses[family])]),
  ])
  const offers = [...services, ...(dnsService === undefined ? [] : [dnsService])].map((service) => [
    `service ${service.name}`,
    `port ${service.port}`,
    ...families.map((family) => service.addresses[family]),
  ])
  const faults = await Promise.all(
    injections.map(async (injection) => {
      const words = Object.entries(injection.parameters).map(([key, value]) => `${key}=${String(value)}`)
      const bites = [`bit ${await injection.hits()} times`, ...(await injection.report())].join(', ')
      return `${injection.id}: ${[injection.name, ...words].join(' ')}: ${bites}\n`
    }),
  )
  return `${columns([...places, ...offers])}${faults.join('')}`
}

function columns(rows: readonly (readonly string[])[]): string {
  return rows
    .map(
      (row) =>
        `${row
          .map((cell) => cell.padEnd(18))
          .join('')
          .trimEnd()}\n`,
    )
    .join('')
}
