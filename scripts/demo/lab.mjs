import { agentProgram, runMesh } from './agents.mjs'

/** Of the responders and consoles within the lab. */
const port = 8081
const innerConsolePort = 8080

/**
 * One agent in each node's pod, over the lab's network; the first one's console is on this machine's port.
 *
 * @param {import('@scout/lab').Lab} lab
 * @param {import('./agents.mjs').Settings} settings
 */
export async function runInLab(lab, { consolePort, interval }) {
  const { nodes, families } = lab.topology
  const members = nodes.flatMap(({ name: node, zone, pods }) =>
    pods.slice(0, 1).map(({ name, addresses }) => ({
      name,
      node,
      zone: zone.name,
      addresses: families.map((family) => addresses[family]),
      port,
    })),
  )
  const page = await lab.forwardPort({
    place: members[0]?.name ?? '',
    port: innerConsolePort,
    localPort: consolePort,
    localHost: 'localhost',
  })
  try {
    return await runMesh(members, {
      dnsTarget: '{name}.pods.default.svc.cluster.local',
      host: () => '::',
      console: () => ({ host: '::', port: innerConsolePort }),
      interval,
      start(args, { name }) {
        const stdio = /** @type {const} */ (['ignore', 'inherit', 'inherit'])
        const agent = lab.spawn(name, [process.execPath, agentProgram, ...args], {
          env: process.env,
          stdio: [...stdio],
        })
        return { exited: agent.exited, stop: () => void agent.stop(5_000) }
      },
    })
  } finally {
    await page.close()
  }
}
