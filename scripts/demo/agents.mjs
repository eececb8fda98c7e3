import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { catalogue, parseDurationMs } from '@scout/core'
import { root } from '../command.mjs'

/**
 * @typedef {{ name: string, node: string, zone: string, addresses: readonly string[], port: number }} Member one agent of the mesh
 * @typedef {{ consolePort: number, interval: string }} Settings choices of the user
 * @typedef {{ exited: Promise<number>, stop: () => void }} Running
 * @typedef {object} Place how the agents of a mesh are placed
 * @property {string} dnsTarget the name that each agent looks up
 * @property {string} [serviceTarget] address of a service in front of all responders, if there is one
 * @property {(member: Member) => string} host address that a responder listens on
 * @property {(member: Member, index: number) => { host: string, port: number }} console address that a console listens on
 * @property {string} interval
 * @property {(args: readonly string[], member: Member) => Running} start
 */

/** Command line of a built agent. */
export const agentProgram = join(root, 'packages/agent/bin/scout-agent.js')

/** Hint if the console's port is in use. */
export const anotherConsolePort = 'npm start -- --console-port 8090 uses another'

/**
 * Runs one agent for each member until the first ends or a signal arrives, then ends the others. The first prints its probes; the
 * others print only warnings and errors. Returns the exit code.
 *
 * @param {readonly Member[]} members
 * @param {Place} place
 */
export async function runMesh(members, place) {
  const folder = await mkdtemp(join(tmpdir(), 'scout-'))
  try {
    const paths = await Promise.all(
      members.map((self, index) => writeConfiguration({ self, index, members, place, folder })),
    )
    /** @type {Promise<number>[]} */
    const ends = []
    /** @type {Running[]} */
    const running = []
    let isEnding = false
    const end = () => {
      // Each agent is asked once: a second time would cut its goodbye short.
      if (!isEnding) running.forEach(({ stop }) => stop())
      isEnding = true
    }
    /** @param {Member} self @param {number} index */
    const run = (self, index) => {
      const agent = place.start(['--config', paths[index] ?? ''], self)
      running.push(agent)
      // One agent that cannot run ends the demonstration: the others would only report it as a dead peer.
      ends.push(agent.exited.finally(end))
    }
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.once(signal, end)
    // Each probes the others from when they accept connections.
    members.forEach(run)
    return Math.max(...(await Promise.all(ends)))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** @param {{ self: Member, index: number, members: readonly Member[], place: Place, folder: string }} options */
async function writeConfiguration({ self, index, members, place, folder }) {
  const { port, ...identity } = self
  const isShown = index === 0
  const config = {
    ...identity,
    log: isShown ? 'text' : 'json',
    level: 'warn',
    interval: place.interval,
    // The state of a listed peer never changes, so failures can count at once.
    settle: '0s',
    console: place.console(self, index),
    responder: { host: place.host(self), port },
    peers: members.filter(({ name }) => name !== self.name),
    checks: {
      ...Object.fromEntries(catalogue.map((definition) => [definition.name, writtenCheck(definition, place)])),
      ...(place.serviceTarget === undefined ? {} : { service: { probe: 'http', target: place.serviceTarget } }),
    },
  }
  const path = join(folder, `${self.name}.yaml`)
  await writeFile(path, JSON.stringify(config))
  return path
}

/**
 * Returns a check of the catalogue in the form of the configuration file.
 *
 * @param {import('@scout/core').CheckDefinition} definition
 * @param {Place} place
 */
function writtenCheck({ protocol, target, options, rounds = 1 }, { interval, dnsTarget }) {
  return {
    probe: protocol,
    target: protocol === 'dns' ? dnsTarget : target,
    interval: `${rounds * parseDurationMs(interval)}ms`,
    ...options,
  }
}
