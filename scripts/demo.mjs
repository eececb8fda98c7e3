import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDnsResponder } from '@scout/core'
import { root } from './command.mjs'

/**
 * Three agents on this machine that probe each other over loopback. The first prints what it does and has the console on port 8080;
 * the others tell only of trouble. A small name server stands in for a cluster's and knows the agents by name. What is written behind
 * `npm start --` goes to the first agent.
 */
const domain = 'scout.local'
// Linux answers on all of 127.0.0.0/8; elsewhere the agents share one address and differ by port.
const isWholeNetLocal = process.platform === 'linux'
const agents = [1, 2, 3].map((number) => ({
  name: `scout-${number}`,
  node: `node-${number}`,
  zone: number === 3 ? 'zone-b' : 'zone-a',
  addresses: [isWholeNetLocal ? `127.0.0.${number}` : '127.0.0.1'],
  port: isWholeNetLocal ? 8081 : 8080 + number,
}))

const names = new Map(agents.map(({ name, addresses }) => [`${name}.${domain}`, addresses]))
const dns = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: (name) => names.get(name) })
const folder = await mkdtemp(join(tmpdir(), 'scout-'))
const children = await Promise.all(agents.map(start))
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.once(signal, () => {
    for (const child of children) child.kill('SIGTERM')
  })
}
const codes = await Promise.all(
  children.map(async (child) => {
    const [code] = await once(child, 'exit')
    // One agent that cannot run ends the demonstration: the others would only report it as a dead peer.
    for (const other of children) other.kill('SIGTERM')
    return code ?? 1
  }),
)
await dns.close()
await rm(folder, { recursive: true })
process.exitCode = Math.max(...codes)

/**
 * @param {(typeof agents)[number]} self
 * @param {number} index
 */
async function start(self, index) {
  const isShown = index === 0
  const config = {
    ...self,
    port: undefined,
    log: isShown ? 'text' : 'json',
    level: 'warn',
    interval: '5s',
    console: { host: isShown ? '::' : self.addresses[0], port: isShown ? 8080 : 0 },
    responder: { host: self.addresses[0], port: self.port },
    peers: agents.filter(({ name }) => name !== self.name),
    checks: {
      http: { probe: 'http', target: `http://{host}:{port}/`, keepBytes: 256 },
      tcp: { probe: 'tcp' },
      udp: { probe: 'udp' },
      icmp: { probe: 'icmp' },
      dns: { probe: 'dns', target: `{name}.${domain}@127.0.0.1:${dns.port}` },
    },
  }
  const path = join(folder, `${self.name}.yaml`)
  await writeFile(path, JSON.stringify(config))
  const args = ['packages/agent/dist/main.js', '--config', path, ...(isShown ? process.argv.slice(2) : [])]
  // In a process group of its own, so that Ctrl-C reaches the agents once, from here.
  return spawn(process.execPath, args, { cwd: root, stdio: 'inherit', detached: true })
}
