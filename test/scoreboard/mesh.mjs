import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { catalogue, programHeader, row } from '@scout/core'
import { openLab, podPort } from '@scout/lab'
import { root } from '../../scripts/command.mjs'

/** @typedef {import('@scout/core').Incident} Incident */
/** @typedef {import('@scout/core').RowAnswer} RowAnswer */
/** @typedef {import('@scout/lab').Lab} Lab */
/**
 * @typedef {object} MeshSpec
 * @property {'routed' | 'vxlan'} network
 * @property {number} nodes
 * @property {number} dnsReplicas
 * @property {boolean} isService whether agents also check the service `echo`
 * @property {boolean} isExtended whether agents also have checks of packets with a DSCP and of volleys
 * @property {number} intervalMs general interval of the checks
 */
/** @typedef {Awaited<ReturnType<typeof openMesh>>} Mesh a lab with an agent in each node's pod */

const agentProgram = join(root, 'packages/agent/bin/scout-agent.js')
const consolePort = 8080
/** An agent without an answer after this time has no row. */
const answerMs = 2_000
const keptLines = 20
/** An agent says goodbye, and answers for some seconds after it. */
const endsWithinMs = 20_000

/** Opens a lab for one agent per node, configured as one in a cluster is. `start` starts them. */
export async function openMesh(/** @type {MeshSpec} */ spec) {
  const { network, nodes, dnsReplicas } = spec
  const lab = await openLab({
    network,
    nodes,
    dnsReplicas,
    zones: 2,
    // The checks of the name server ask for the second one.
    services: ['echo', 'kubernetes'].map((name) => ({ name, port: 80, targetPort: podPort })),
  })
  const folder = await mkdtemp(join(tmpdir(), 'scout-scoreboard-'))
  try {
    const members = membersOf(lab)
    const agents = await Promise.all(
      members.map(async (self) => {
        const path = join(folder, `${self.name}.yaml`)
        await writeFile(path, JSON.stringify(configurationOf(self, members, { ...spec, lab })))
        return createAgent(lab, self, path)
      }),
    )
    return {
      lab,
      spec,
      members,
      start() {
        for (const { start } of agents) start()
      },
      /** Ends the agent of a node, as the kubelet does, and starts it again. */
      async restart(/** @type {string} */ node) {
        for (const agent of agents) if (agent.node === node) await agent.restart()
      },
      /** Number of series of a complete mesh. */
      seriesCount: members.length * seriesPerAgent(members.length, spec),
      /** @returns {Promise<readonly RowAnswer[]>} */
      read: () => Promise.all(agents.map(({ read }) => read())),
      /** Returns the incidents of the agents that speak and are not on a gone node. @returns {Promise<readonly Incident[]>} */
      async spoken(/** @type {ReadonlySet<string>} */ gone) {
        const spoken = await Promise.all(agents.filter(({ node }) => !gone.has(node)).map(({ speak }) => speak()))
        return [...new Map(spoken.flat().map((incident) => [incident.id, incident])).values()]
      },
      async close() {
        for (const { expectEnd } of agents) expectEnd()
        await lab.close()
        await rm(folder, { recursive: true })
      },
    }
  } catch (error) {
    await lab.close()
    await rm(folder, { recursive: true })
    throw error
  }
}

/** @typedef {ReturnType<typeof membersOf>[number]} Member */

function membersOf(/** @type {Lab} */ { topology: { nodes, families } }) {
  return nodes.flatMap(({ name: node, zone, pods }) =>
    pods.slice(0, 1).map(({ name, addresses }) => ({
      name,
      node,
      zone: zone.name,
      addresses: families.map((family) => addresses[family]),
    })),
  )
}

function dnsPodsOf(/** @type {Lab} */ { topology: { nodes, nameServers, families } }) {
  return nameServers.map(({ name, node, addresses }) => ({
    name,
    node: nodes.find(({ number }) => number === node)?.name,
    addresses: families.map((family) => addresses[family]),
  }))
}

function configurationOf(
  /** @type {Member} */ self,
  /** @type {readonly Member[]} */ members,
  /** @type {MeshSpec & { lab: Lab }} */ { intervalMs, isService, isExtended, lab },
) {
  return {
    ...self,
    level: 'warn',
    interval: `${intervalMs}ms`,
    console: { host: '::', port: consolePort },
    responder: { host: '::', port: podPort },
    peers: members.filter(({ name }) => name !== self.name).map((peer) => ({ ...peer, port: podPort })),
    dnsPods: dnsPodsOf(lab),
    checks: {
      ...Object.fromEntries(catalogue.map((check) => [check.name, writtenCheck(check, intervalMs)])),
      ...(isService ? { service: { probe: 'http', target: 'http://echo.default.svc.cluster.local/' } } : {}),
      ...(isExtended ? furtherChecks : {}),
    },
  }
}

const furtherChecks = { dscp: { probe: 'udp', dscp: 46 }, 'udp-volley': { probe: 'udp', volley: 5 } }

/** Rounds between the attempts of checks of idle flows. */
const idleRounds = 3

function writtenCheck(/** @type {import('@scout/core').CheckDefinition} */ check, /** @type {number} */ intervalMs) {
  // The faults of the lab are as much faster: an idle flow is forgotten after a second.
  const { protocol, target, options, rounds = check.intervalMs === undefined ? 1 : idleRounds } = check
  return { probe: protocol, target, interval: `${rounds * intervalMs}ms`, ...options }
}

/** Each check of peers has a series for each peer and family, and one of the name server for each of its servers, too. */
function seriesPerAgent(/** @type {number} */ nodes, /** @type {MeshSpec} */ { isService, isExtended, dnsReplicas }) {
  const names = catalogue.filter(({ protocol }) => protocol === 'dns').length
  const ofPeers = catalogue.length - names + (isExtended ? Object.keys(furtherChecks).length : 0)
  return ofPeers * (nodes - 1) * 2 + names + dnsReplicas * 2 + (isService ? 1 : 0)
}

async function createAgent(/** @type {Lab} */ lab, /** @type {Member} */ { name, node }, /** @type {string} */ path) {
  const { port } = await lab.forwardPort({ place: name, port: consolePort })
  let isEnding = false
  /** @type {Error | undefined} */
  let ended
  /** @type {import('@scout/lab').LabProcess | undefined} */
  let agent
  const start = () => {
    agent = lab.spawn(name, [process.execPath, agentProgram, '--config', path], {
      env: process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    isEnding = false
    /** @type {string[]} */
    const log = []
    for (const stream of [agent.child.stdout, agent.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => log.push(text) > keptLines && log.shift())
    }
    // It settles when the lab closes, at the latest.
    void agent.exited.then((code) => {
      if (!isEnding) ended = new Error(`the agent in ${name} ended with ${code}:\n${log.join('')}`)
    })
  }
  return {
    node,
    start,
    expectEnd() {
      isEnding = true
    },
    async restart() {
      isEnding = true
      await agent?.stop(endsWithinMs)
      start()
    },
    /** @returns {Promise<RowAnswer>} */
    async read() {
      if (ended !== undefined) throw ended
      const text = await documentAt(port, 'snapshot')
      return text === undefined
        ? { node }
        : { node, received: { row: row.parse(JSON.parse(text)), receivedAtMs: Date.now() } }
    },
    /** @returns {Promise<readonly Incident[]>} */
    async speak() {
      const text = await documentAt(port, 'incidents')
      const { isSpeaking, incidents } = text === undefined ? { isSpeaking: false, incidents: [] } : spokenBy(text)
      return isSpeaking ? incidents.filter(({ state }) => state !== 'closed') : []
    },
  }
}

/** @returns {{ isSpeaking: boolean, incidents: readonly Incident[] }} */
function spokenBy(/** @type {string} */ text) {
  const { isSpeaking, incidents } = JSON.parse(text)
  return {
    isSpeaking,
    incidents: incidents.map((/** @type {Incident} */ one) => ({ ...one, rivals: one.rivals ?? [] })),
  }
}

/** Returns a document of an agent; undefined if it does not answer. @returns {Promise<string | undefined>} */
async function documentAt(/** @type {number} */ port, /** @type {string} */ name) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${name}`, {
      headers: { [programHeader]: '1' },
      signal: AbortSignal.timeout(answerMs),
    })
    return response.ok ? await response.text() : undefined
  } catch {
    return undefined
  }
}
