import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../command.mjs'

/**
 * @typedef {{ name: string, node: string, zone: string, addresses: readonly string[], port: number }} Member one agent of the mesh
 * @typedef {{ exited: Promise<number>, stop: () => void }} Running
 * @typedef {(args: readonly string[], member: Member) => Running} Start how an agent is started where it belongs
 */

/** The command line of an agent, built. */
export const agentProgram = join(root, 'packages/agent/bin/scout-agent.js')

/**
 * Runs one agent for each member until the first ends or a signal comes, then ends the others. Answers the exit code.
 *
 * @param {readonly Member[]} members
 * @param {{ start: Start, dnsTarget: string, host: (member: Member) => string, consoleHost: (member: Member) => string }} where
 */
export async function runMesh(members, { start, dnsTarget, host, consoleHost }) {
  const folder = await mkdtemp(join(tmpdir(), 'scout-'))
  try {
    const running = await Promise.all(
      members.map(async (self, index) => {
        const isShown = index === 0
        const { port, ...identity } = self
        const config = {
          ...identity,
          log: isShown ? 'text' : 'json',
          level: 'warn',
          interval: '5s',
          // A list never changes its mind about a peer, so there is nothing to wait for before a failure counts.
          settle: '0s',
          console: { host: consoleHost(self), port: isShown ? 8080 : 0 },
          responder: { host: host(self), port },
          peers: members.filter(({ name }) => name !== self.name),
          checks: {
            http: { probe: 'http', keepBytes: 256 },
            'http-large': { probe: 'http', target: 'http://{host}:{port}/bytes?size=65536' },
            tcp: { probe: 'tcp' },
            udp: { probe: 'udp' },
            'udp-large': { probe: 'udp', payloadBytes: 1400 },
            icmp: { probe: 'icmp' },
            dns: { probe: 'dns', target: dnsTarget },
          },
        }
        const path = join(folder, `${self.name}.yaml`)
        await writeFile(path, JSON.stringify(config))
        return start(['--config', path], self)
      }),
    )
    const stopAll = () => running.forEach(({ stop }) => stop())
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, stopAll)
    // One agent that cannot run ends the demonstration: the others would only report it as a dead peer.
    const codes = await Promise.all(running.map(({ exited }) => exited.finally(stopAll)))
    return Math.max(...codes)
  } finally {
    await rm(folder, { recursive: true })
  }
}
