import { LabError, podPort } from '@scout/lab'
import { agentProgram, anotherConsolePort, runMesh } from './agents.mjs'

/**
 * Runs one agent in each node's pod, over the lab's network; the first one's console is also on this machine's port.
 *
 * @param {import('@scout/lab').Lab} lab
 * @param {import('./agents.mjs').Settings} settings
 */
export async function runInLab(lab, settings) {
  const { consolePort, isQuiet } = settings
  const { nodes, families, services } = lab.topology
  const members = nodes.flatMap(({ name: node, zone, pods }) =>
    pods.slice(0, 1).map(({ name, addresses }) => ({
      name,
      node,
      zone: zone.name,
      addresses: families.map((family) => addresses[family]),
      port: podPort,
    })),
  )
  const page = await forwardConsole(lab, members[0]?.name ?? '', consolePort)
  try {
    return await runMesh(members, {
      dnsTarget: '{name}.pods.default.svc.cluster.local',
      // By name, as applications do: the one service of a lab by default.
      serviceTarget: `http://${services[0]?.name}.default.svc.cluster.local/`,
      host: () => '::',
      // The port on this machine, which the first agent prints.
      console: () => ({ host: '::', port: consolePort }),
      settings,
      start(args, { name }) {
        const agent = lab.spawn(name, [process.execPath, agentProgram, ...args], {
          env: process.env,
          stdio: ['ignore', isQuiet ? 'pipe' : 'inherit', 'inherit'],
          // So that Ctrl-C reaches the agents once, from here.
          detached: true,
        })
        // An agent that is still starting has no peers to notify: SIGTERM ends it directly.
        const exited = agent.exited.then((code) => (code === 143 ? 0 : code))
        return { exited, stop: () => void agent.stop(5_000), output: agent.child.stdout }
      },
    })
  } finally {
    await page.close()
  }
}

/**
 * @param {import('@scout/lab').Lab} lab
 * @param {string} place
 * @param {number} port
 */
async function forwardConsole(lab, place, port) {
  try {
    return await lab.forwardPort({ place, port, localPort: port, localHost: 'localhost' })
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    throw new LabError(error.code, `${error.message} (${anotherConsolePort})`, { cause: error })
  }
}
