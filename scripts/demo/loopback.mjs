import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startDnsResponder } from '@scout/core'
import { anotherConsolePort, runMesh } from './agents.mjs'

const agentProgram = fileURLToPath(new URL('agent.mjs', import.meta.url))

// Linux answers on all of 127.0.0.0/8; elsewhere the agents share one address and differ by port.
const isWholeNetLocal = process.platform === 'linux'
const members = [1, 2, 3].map((number) => ({
  name: `scout-${number}`,
  node: `node-${number}`,
  zone: number === 3 ? 'zone-b' : 'zone-a',
  addresses: [isWholeNetLocal ? `127.0.0.${number}` : '127.0.0.1'],
  port: isWholeNetLocal ? 8081 : 8080 + number,
}))

/**
 * Runs three agents over loopback. A small name server stands in for the cluster's and resolves their names.
 *
 * @param {import('./agents.mjs').Settings} settings
 */
export async function runOverLoopback(settings) {
  const { consolePort, isQuiet } = settings
  const names = new Map(members.map(({ name, addresses }) => [`${name}.scout.local`, addresses]))
  const dns = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: (name) => names.get(name) })
  try {
    const code = await runMesh(members, {
      dnsTarget: `{name}.scout.local@127.0.0.1:${dns.port}`,
      host: ({ addresses: [address = '127.0.0.1'] }) => address,
      console: ({ addresses: [address = '127.0.0.1'] }, index) =>
        index === 0 ? { host: '::', port: consolePort } : { host: address, port: 0 },
      settings,
      start: (args) => start(args, isQuiet),
    })
    if (code === 1) {
      const places = members.map(({ addresses, port }) => `${addresses.join()}:${port}`).join(', ')
      console.error(`the agents need ${places}, and port ${consolePort} for the console (${anotherConsolePort})`)
    }
    return code
  } finally {
    await dns.close()
  }
}

/**
 * @param {readonly string[]} args
 * @param {boolean} isQuiet
 */
function start(args, isQuiet) {
  // In a separate process group, so that Ctrl-C reaches the agents once, from here.
  const child = spawn(process.execPath, [agentProgram, ...args], {
    stdio: ['inherit', isQuiet ? 'pipe' : 'inherit', 'inherit', 'ipc'],
    detached: true,
  })
  // An agent that is still starting has no peers to notify.
  const exited = once(child, 'exit').then(([code, signal]) => code ?? (signal === 'SIGTERM' ? 0 : 1))
  return { exited, stop: () => void child.kill('SIGTERM'), output: child.stdout }
}
