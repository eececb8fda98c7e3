import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Address of this process, which is the kubelet and Prometheus of the mesh. */
const nodeAddress = '10.99.0.1'

export function makeBridge() {
  ip([
    'link set lo up',
    'link add bridge type bridge',
    `address add ${nodeAddress}/16 dev bridge`,
    'link set bridge up',
  ])
}

/**
 * Starts a program in a network namespace with one address on the bridge, and no route to anywhere else.
 *
 * @param {string} address
 * @param {readonly string[]} command
 * @param {Record<string, string>} [environment]
 */
export async function startInNetwork(address, command, environment = {}) {
  // The shell waits for the network, then becomes the program.
  const shell = ['sh', '-c', 'echo waiting; read -r _; exec "$@"', 'sh']
  const child = spawn('unshare', ['--net', ...shell, ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  const lines = createInterface(child.stdout)
  await once(lines, 'line')
  const link = `v${address.replaceAll('.', '-').slice(6)}`
  ip([`link add ${link} type veth peer name eth0 netns ${child.pid}`, `link set ${link} master bridge up`])
  ip(['link set lo up', 'link set eth0 up', `address add ${address}/16 dev eth0`], child.pid)
  child.stdin.write('start\n')
  lines.on('line', (line) => process.stderr.write(`${address}: ${line}\n`))
  child.once('exit', (code, signal) => {
    if (signal !== 'SIGKILL') throw new Error(`the program at ${address} ended with ${code ?? signal}`)
  })
  return child
}

/**
 * @param {readonly string[]} commands
 * @param {number} [pid] process whose network they change, instead of this one's
 */
function ip(commands, pid) {
  const place = pid === undefined ? [] : [`--net=/proc/${pid}/ns/net`]
  const { status, stderr, error } = spawnSync('nsenter', [...place, 'ip', '-batch', '-'], {
    input: commands.join('\n'),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`cannot set up the network: ${error?.message ?? stderr}`)
}
