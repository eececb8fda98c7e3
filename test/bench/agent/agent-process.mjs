import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { agentAddress, connect, nameServerAddress, nodeAddress } from './network.mjs'

/** @typedef {import('./image.mjs').Image} Image */

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'
const configFile = '/run/scout/config.yaml'
const keptLines = 20

/**
 * Gives this mount namespace the files of a pod: service account, resolv.conf, configuration. They are in memory and end with it.
 *
 * @param {{ token: string, ca: string, probed: number }} options
 */
export function makePodFiles({ token, ca, probed }) {
  mount(['-t', 'tmpfs', '-o', 'mode=755', 'scout-bench', '/run'])
  write(`${accountFolder}/token`, token)
  write(`${accountFolder}/ca.crt`, ca)
  write(`${accountFolder}/namespace`, 'scout')
  const domains = 'scout.svc.cluster.local svc.cluster.local cluster.local'
  const resolver = '/run/scout/resolv.conf'
  write(resolver, `search ${domains}\nnameserver ${nameServerAddress}\noptions ndots:5\n`)
  // It may be a link into /run, which is empty here.
  if (existsSync('/etc/resolv.conf')) mount(['--bind', resolver, realpathSync('/etc/resolv.conf')])
  else throw new Error('cannot replace /etc/resolv.conf, because it does not exist here')
  // What the chart writes (templates/_helpers.tpl).
  const config = {
    discovery: 'kubernetes',
    service: 'scout',
    probedNodes: probed,
    console: { port: 8080 },
    responder: { port: 8081 },
  }
  // The bench counts the attempts of every link by reason.
  const metrics = { series: 1_000_000 }
  write(configFile, JSON.stringify({ ...config, metrics }))
}

/**
 * Starts an agent in a network namespace of its own, as the chart starts it in a pod.
 *
 * @param {Image} image
 * @param {string} name
 */
export async function startAgent({ command, environment }, name) {
  // The shell waits for the network, then becomes the agent.
  const shell = ['sh', '-c', 'echo waiting; read -r _; exec "$@"', 'sh']
  const child = spawn('unshare', ['--net', ...shell, ...command, '--config', configFile], {
    cwd: '/',
    env: {
      ...environment,
      KUBERNETES_SERVICE_HOST: nodeAddress,
      KUBERNETES_SERVICE_PORT: '6443',
      SCOUT_NAME: name,
      SCOUT_NAMESPACE: 'scout',
      SCOUT_NODE: `node-of-${name}`,
      SCOUT_ADDRESSES: agentAddress,
      SCOUT_HOST_ADDRESSES: nodeAddress,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  /** @type {string[]} */
  const log = []
  let isEnding = false
  const ended = once(child, 'exit').then(([code]) => {
    if (!isEnding) throw new Error(`the agent ended with ${code}:\n${log.join('\n')}`)
  })
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => log.push(line) > keptLines && log.shift())
  await Promise.race([once(lines, 'line'), ended])
  connect(child.pid, 'agent')
  child.stdin.end('start\n')
  return {
    pid: child.pid ?? 0,
    /** The newest lines of its log. */
    log,
    async end() {
      isEnding = true
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** @param {readonly string[]} args */
function mount(args) {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount ${args.join(' ')} failed: ${stderr}`)
}

/**
 * @param {string} path
 * @param {string} text
 */
function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
