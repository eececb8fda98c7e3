import { agentProgram, runMesh } from './agents.mjs'

/**
 * One agent in each node's pod, over the lab's network; the first one's console is on this machine's port 8080.
 *
 * @param {import('@scout/lab').Lab} lab
 */
export async function runInLab(lab) {
  const { topology } = lab
  const members = topology.nodes.flatMap(({ name: node, zone, pods: [pod] }) =>
    pod === undefined
      ? []
      : [
          {
            name: pod.name,
            node,
            zone: zone.name,
            addresses: topology.families.map((family) => pod.addresses[family]),
            port: 8081,
          },
        ],
  )
  const [shown] = members
  const page = shown === undefined ? undefined : await lab.forwardPort(8080, shown.name, 8080)
  try {
    return await runMesh(members, {
      dnsTarget: '{name}.pods.default.svc.cluster.local',
      host: () => '::',
      consoleHost: () => '::',
      start(args, { name }) {
        const agent = lab.spawn(name, [process.execPath, agentProgram, ...args], {
          env: process.env,
          stdio: ['ignore', 'inherit', 'inherit'],
        })
        return { exited: agent.exited, stop: () => void agent.stop(5_000) }
      },
    })
  } finally {
    await page?.close()
  }
}
