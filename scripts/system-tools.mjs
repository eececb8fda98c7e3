import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run, step } from './command.mjs'

/**
 * @typedef {'start' | 'test' | 'bench' | 'image' | 'lab' | 'fuzz'} Task
 * @typedef {object} SystemTool
 * @property {string} name used by tests
 * @property {readonly string[]} commands any of them suffices
 * @property {string} package its Debian package, or several with blanks between
 * @property {readonly Task[]} neededBy
 */

/** Everything that Scout needs from the operating system besides Node. No other file names a system package. */
const systemTools = /** @satisfies {readonly SystemTool[]} */ (
  /** @type {const} */ ([
    { name: 'g++', commands: ['g++', 'c++', 'clang++'], package: 'g++', neededBy: ['start', 'test', 'bench', 'fuzz'] },
    { name: 'ip', commands: ['ip'], package: 'iproute2', neededBy: ['start', 'test', 'lab', 'bench'] },
    { name: 'nft', commands: ['nft'], package: 'nftables', neededBy: ['start', 'test', 'lab', 'bench'] },
    { name: 'iptables', commands: ['iptables'], package: 'iptables', neededBy: ['start', 'test', 'lab'] },
    { name: 'unshare', commands: ['unshare'], package: 'util-linux', neededBy: ['start', 'test', 'lab', 'bench'] },
    { name: 'nsenter', commands: ['nsenter'], package: 'util-linux', neededBy: ['start', 'test', 'lab', 'bench'] },
    { name: 'setpriv', commands: ['setpriv'], package: 'util-linux', neededBy: ['start', 'test', 'lab'] },
    { name: 'ping', commands: ['ping'], package: 'iputils-ping', neededBy: ['test', 'lab', 'bench'] },
    { name: 'curl', commands: ['curl'], package: 'curl', neededBy: ['test', 'lab', 'bench'] },
    { name: 'dig', commands: ['dig'], package: 'bind9-dnsutils', neededBy: ['test', 'lab', 'bench'] },
    { name: 'make', commands: ['make', 'gmake'], package: 'make', neededBy: ['start', 'test', 'bench', 'fuzz'] },
    {
      name: 'python3',
      commands: ['python3', 'python'],
      package: 'python3',
      neededBy: ['start', 'test', 'bench', 'fuzz'],
    },
    { name: 'tcpdump', commands: ['tcpdump'], package: 'tcpdump', neededBy: ['test', 'bench'] },
    { name: 'tshark', commands: ['tshark'], package: 'tshark', neededBy: ['test'] },
    // Its modules are those of the system's Python.
    { name: 'scapy', commands: ['scapy3'], package: 'python3-scapy', neededBy: ['test'] },
    { name: 'irtt', commands: ['irtt'], package: 'irtt', neededBy: ['bench'] },
    { name: 'sockperf', commands: ['sockperf'], package: 'sockperf', neededBy: ['bench'] },
    { name: 'mtr', commands: ['mtr'], package: 'mtr-tiny', neededBy: ['bench'] },
    { name: 'scamper', commands: ['scamper'], package: 'scamper', neededBy: ['bench'] },
    { name: 'tracepath', commands: ['tracepath'], package: 'iputils-tracepath', neededBy: ['bench'] },
    { name: 'fping', commands: ['fping'], package: 'fping', neededBy: ['bench'] },
    {
      name: 'blackbox_exporter',
      commands: ['prometheus-blackbox-exporter'],
      package: 'prometheus-blackbox-exporter',
      neededBy: ['bench'],
    },
    // With libFuzzer and the sanitizers.
    { name: 'clang', commands: ['clang'], package: 'clang libclang-rt-dev', neededBy: ['fuzz'] },
    { name: 'openssl', commands: ['openssl'], package: 'openssl', neededBy: ['test', 'bench'] },
    { name: 'strace', commands: ['strace'], package: 'strace', neededBy: ['bench'] },
    { name: 'chromium', commands: ['chromium'], package: 'chromium', neededBy: ['test', 'bench'] },
    { name: 'promtool', commands: ['promtool'], package: 'prometheus', neededBy: ['test'] },
    { name: 'prometheus', commands: ['prometheus'], package: 'prometheus', neededBy: ['test'] },
    { name: 'buildah', commands: ['buildah'], package: 'buildah', neededBy: ['image'] },
    { name: 'debootstrap', commands: ['debootstrap'], package: 'debootstrap', neededBy: ['image'] },
  ])
)

/** @typedef {(typeof systemTools)[number]['name']} ToolName */

// Debian installs ip, tc and nft in a folder that is not on the PATH of ordinary users.
const searchedFolders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].filter(Boolean)

/**
 * Installs the missing tools of a task if that is allowed; otherwise prints the command that does.
 * Never fails: a tool that is still missing leads to a skipped test or a probe that reports why it cannot run.
 *
 * @param {Task} task
 */
export async function ensureTools(task) {
  process.env['PATH'] = searchedFolders.join(delimiter)
  const missing = systemTools.filter(
    (tool) => /** @type {readonly Task[]} */ (tool.neededBy).includes(task) && !isInstalled(tool),
  )
  if (missing.length === 0) return
  const names = missing.map((tool) => tool.name).join(', ')
  const isAllowed = process.getuid?.() === 0 && isDebian() && process.env['SCOUT_NO_INSTALL'] !== '1'
  if (isAllowed && (await step(`installing ${names} with apt-get`, () => install(missing)))) return
  process.stderr.write(`missing ${names}: ${remedy(missing)}\n`)
}

/**
 * @param {ToolName} name
 * @returns {string | undefined} why the tool cannot be used, `undefined` when it can
 */
export function whyMissing(name) {
  const wanted = systemTools.filter((tool) => tool.name === name && !isInstalled(tool))
  return wanted.length === 0 ? undefined : `needs ${packagesOf(wanted)}: ${remedy(wanted)}`
}

/** @param {SystemTool} tool */
function isInstalled(tool) {
  return tool.commands.some((command) => searchedFolders.some((folder) => isExecutable(join(folder, command))))
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function isDebian() {
  return existsSync('/etc/debian_version') && searchedFolders.some((folder) => isExecutable(join(folder, 'apt-get')))
}

/** @param {readonly SystemTool[]} tools */
function remedy(tools) {
  if (!isDebian()) return `install ${packagesOf(tools)} with the package manager of this system`
  return `${process.getuid?.() === 0 ? '' : 'sudo '}apt-get install ${packagesOf(tools)}`
}

/** @param {readonly SystemTool[]} tools */
function packagesOf(tools) {
  return [...new Set(tools.map((tool) => tool.package))].join(' ')
}

/** @param {readonly SystemTool[]} tools */
async function install(tools) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Another apt, such as a machine's first unattended upgrade, may hold the lock for a while.
  const quiet = ['-qq', '-o', 'DPkg::Lock::Timeout=120']
  const update = await run('apt-get', [...quiet, 'update'], { env })
  const packages = tools.flatMap((tool) => tool.package.split(' '))
  const result = await run('apt-get', [...quiet, 'install', '-y', '--no-install-recommends', ...packages], { env })
  return { isOk: result.isOk, output: update.output + result.output }
}
