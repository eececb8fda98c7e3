import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { catalogue, parseDurationMs, printable, row } from '@scout/core'
import { root } from '../command.mjs'

/**
 * @typedef {{ name: string, node: string, zone: string, addresses: readonly string[], port: number }} Member one agent of the mesh
 * @typedef {object} Settings choices of the user
 * @property {number} consolePort
 * @property {string} interval
 * @property {boolean} isQuiet prints only incidents, and what comes last
 * @property {readonly string[]} last lines to print once all agents listen, after the address of the page
 *
 * @typedef {{ exited: Promise<number>, stop: () => void, output?: import('node:stream').Readable | null }} Running output: of a quiet agent
 * @typedef {object} Place how the agents of a mesh are placed
 * @property {string} dnsTarget the name that each agent looks up
 * @property {string} [serviceTarget] address of a service in front of all responders, if there is one
 * @property {(member: Member) => string} host address that a responder listens on
 * @property {(member: Member, index: number) => { host: string, port: number }} console address that a console listens on
 * @property {Settings} settings
 * @property {(args: readonly string[], member: Member) => Running} start
 */

/** Command line of a built agent. */
export const agentProgram = join(root, 'packages/agent/bin/scout-agent.js')

/** Hint if the console's port is in use. */
export const anotherConsolePort = 'npm start -- --console-port 8090 uses another'

/**
 * Runs one agent for each member until the first ends or a signal arrives, then ends the others. The first prints its probes; the
 * others print only warnings and errors. If quiet, none prints anything but incidents. Returns the exit code.
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
    const ending = new AbortController()
    const end = () => {
      ending.abort()
      // Each agent is asked once: a second time would cut its goodbye short.
      if (!isEnding) running.forEach(({ stop }) => stop())
      isEnding = true
    }
    /** @param {Member} self @param {number} index */
    const run = (self, index) => {
      const agent = place.start(['--config', paths[index] ?? ''], self)
      running.push(agent)
      if (agent.output) createInterface(agent.output).on('line', printIncident)
      // One agent that cannot run ends the demonstration: the others would only report it as a dead peer.
      ends.push(agent.exited.finally(end))
    }
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.once(signal, end)
    // Each probes the others from when they accept connections.
    members.forEach(run)
    void announce(place.settings, { peers: members.length - 1, signal: ending.signal })
    return Math.max(...(await Promise.all(ends)))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Of pino, which writes the log. */
const errorLevel = 50

/** How long the agents may take to listen; beyond it a fault keeps them apart. */
const listeningMs = 10_000

/**
 * Prints the address of the page and what else comes last, once all agents listen.
 *
 * @param {Settings} settings
 * @param {{ peers: number, signal: AbortSignal }} options
 */
async function announce({ consolePort, last }, { peers, signal }) {
  const url = `http://localhost:${consolePort}`
  const startMs = performance.now()
  while (performance.now() - startMs < listeningMs && !(await areListening(url, { peers, signal })))
    await sleep(100, undefined, { signal }).catch(() => {}) // ended: see below
  if (!signal.aborted) process.stderr.write([`page at ${url}`, ...last].map((line) => `${line}\n`).join(''))
}

/**
 * Whether all peers of the agent behind this console have accepted a connection.
 *
 * @param {string} url
 * @param {{ peers: number, signal: AbortSignal }} options
 */
async function areListening(url, { peers, signal }) {
  if (signal.aborted) return true
  try {
    const response = await fetch(`${url}/api/v1/snapshot`, { signal })
    const known = row.parse(await response.json()).peers
    return known.length === peers && known.every(({ state }) => state === 'ready')
  } catch {
    return false // not listening itself
  }
}

/**
 * Prints the sentence of an incident if the line of a JSON log is about one, and the line itself if it is an error.
 *
 * @param {string} line
 */
function printIncident(line) {
  const { level, msg, incident } = JSON.parse(line)
  if (incident?.summary !== undefined) console.log(printable(`${msg}: ${incident.summary}`))
  else if (level >= errorLevel) console.error(line)
}

/** @param {{ self: Member, index: number, members: readonly Member[], place: Place, folder: string }} options */
async function writeConfiguration({ self, index, members, place, folder }) {
  const { port, ...identity } = self
  const { interval, isQuiet } = place.settings
  const isShown = index === 0 && !isQuiet
  const config = {
    ...identity,
    log: isShown ? 'text' : 'json',
    level: 'warn',
    interval,
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
function writtenCheck({ protocol, target, options, rounds = 1, intervalMs }, { settings: { interval }, dnsTarget }) {
  return {
    probe: protocol,
    target: protocol === 'dns' ? dnsTarget : target,
    interval: `${intervalMs ?? rounds * parseDurationMs(interval)}ms`,
    ...options,
  }
}
