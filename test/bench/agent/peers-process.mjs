import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { agentAddress, connect, nameServerAddress } from './network.mjs'

/**
 * Starts all peers in a network namespace of their own. They answer; `order('probe')` makes the first `probing` of them probe.
 *
 * @param {{ addresses: readonly string[], probing: number, port: number }} options
 */
export async function startPeers(options) {
  const program = fileURLToPath(new URL('./peers-main.mjs', import.meta.url))
  const argv = [
    process.execPath,
    program,
    JSON.stringify({ ...options, agent: agentAddress, nameServer: nameServerAddress }),
  ]
  const child = spawn('unshare', ['--net', ...argv], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let isEnding = false
  const ended = once(child, 'exit').then(([code]) => {
    if (!isEnding) throw new Error(`the peers ended with ${code}`)
  })
  const message = async () => (await Promise.race([once(child, 'message'), ended]))?.[0]
  const order = async (/** @type {'answer' | 'probe' | 'count'} */ what) => {
    const answer = message()
    child.send(what)
    return answer
  }
  await message() // it runs, in its own namespace by now
  connect(child.pid, 'peers')
  await order('answer')
  return {
    order,
    async end() {
      isEnding = true
      child.kill('SIGKILL')
      await ended
    },
  }
}
