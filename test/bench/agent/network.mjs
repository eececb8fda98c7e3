import { spawnSync } from 'node:child_process'

/*
 * Three namespaces, joined by a bridge: the node's (this process, the API server, the kubelet), the agent's, and that of all peers.
 * IPv4 only: a second family doubles the series, and changes little else.
 */

/** The node: API server, kubelet, Prometheus. */
export const nodeAddress = '10.99.0.1'
export const agentAddress = '10.99.0.2'
/** Router to the peers, as a node's routes lead to the pods of others. One neighbour, however many peers there are. */
const peersRouter = '10.99.0.3'
const peersNetwork = '10.100.0.0/16'
export const nameServerAddress = '10.100.255.53'

/**
 * Returns the addresses of that many peers.
 *
 * @param {number} count
 */
export function peerAddresses(count) {
  return Array.from({ length: count }, (_, i) => `10.100.${(i + 1) >> 8}.${(i + 1) & 255}`)
}

export function makeBridge() {
  ip([
    'link set lo up',
    'link add bridge type bridge',
    `address add ${nodeAddress}/24 dev bridge`,
    'link set bridge up',
  ])
}

/**
 * Connects the namespace of a process to the bridge.
 *
 * @param {number | undefined} pid
 * @param {'agent' | 'peers'} place
 */
export function connect(pid, place) {
  ip([`link add ${place} type veth peer name eth0 netns ${pid}`, `link set ${place} master bridge up`])
  const common = ['link set lo up', 'link set eth0 up']
  const own = {
    agent: [
      `address add ${agentAddress}/24 dev eth0`,
      `route add ${peersNetwork} via ${peersRouter}`,
      `route add default via ${nodeAddress}`,
    ],
    // All their addresses belong to this one host.
    peers: [`address add ${peersRouter}/24 dev eth0`, `route add local ${peersNetwork} dev lo`],
  }
  ip([...common, ...own[place]], ['nsenter', `--net=/proc/${pid}/ns/net`])
}

/**
 * @param {readonly string[]} commands
 * @param {readonly string[]} [wrapper]
 */
function ip(commands, wrapper = ['env']) {
  const [file = '', ...args] = wrapper
  const { status, stderr, error } = spawnSync(file, [...args, 'ip', '-batch', '-'], {
    input: commands.join('\n'),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`cannot set up the network: ${error?.message ?? stderr}`)
}
