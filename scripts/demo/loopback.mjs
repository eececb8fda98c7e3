import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startDnsResponder } from '@scout/core'
import { agentProgram, runMesh } from './agents.mjs'

// Linux answers on all of 127.0.0.0/8; elsewhere the agents share one address and differ by port.
const isWholeNetLocal = process.platform === 'linux'

/** @type {readonly import('./agents.mjs').Member[]} */
const members = [1, 2, 3].map((number) => ({
  name: `scout-${number}`,
  node: `node-${number}`,
  zone: number === 3 ? 'zone-b' : 'zone-a',
  addresses: [isWholeNetLocal ? `127.0.0.${number}` : '127.0.0.1'],
  port: isWholeNetLocal ? 8081 : 8080 + number,
}))

/** Three agents over loopback. A small name server stands in for a cluster's and knows them by name. */
export async function runOverLoopback() {
  const names = new Map(members.map(({ name, addresses }) => [`${name}.scout.local`, addresses]))
  const dns = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: (name) => names.get(name) })
  const address = (/** @type {import('./agents.mjs').Member} */ { addresses }) => addresses[0] ?? '127.0.0.1'
  try {
    return await runMesh(members, {
      dnsTarget: `{name}.scout.local@127.0.0.1:${dns.port}`,
      host: address,
      consoleHost: (member) => (member === members[0] ? '::' : address(member)),
      start(args) {
        // In a process group of its own, so that Ctrl-C reaches the agents once, from here.
        const child = spawn(process.execPath, [agentProgram, ...args], { stdio: 'inherit', detached: true })
        return { exited: once(child, 'exit').then(([code]) => code ?? 1), stop: () => child.kill('SIGTERM') }
      },
    })
  } finally {
    await dns.close()
  }
}
