import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { LabError } from './errors.ts'

/**
 * The place a lab lives in: user, mount, network and process namespaces of its own, held open by one process.
 *
 * The process that owns the lab stays outside. It starts everything inside through `nsenter`, aimed at the holder,
 * so a library call needs no second copy of the program, no protocol and no root: the user who made a user
 * namespace is all-powerful in it. The holder only reads its standard input. That pipe keeps the lab alive:
 * when the owner ends, `kill -9` included, the kernel closes it, the holder ends, and since it is process 1 of its
 * namespace the kernel kills everything else inside and with the last process frees every namespace, link and table.
 * Names of namespaces, addresses and files are private to the sandbox, so any number of labs run side by side.
 */
export interface Sandbox {
  /** The command line that runs `argv` inside, in one of the lab's network namespaces if one is named. */
  command(argv: readonly string[], namespace?: string): readonly string[]
  /** Where a file of the sandbox is found from outside, as long as the sandbox lives. */
  path(inside: string): string
  close(): Promise<void>
}

/** Files of the lab inside its sandbox; `/run` there is a private, empty file system in memory. */
export const labFolder = '/run/scout-lab'

// resolv.conf is often a link into /run, which is hidden here: the file it names must exist to be mounted over.
const setup = `
mount -t tmpfs -o mode=755 scout-lab /run
mkdir ${labFolder} /run/netns
resolver=$(readlink -m /etc/resolv.conf)
[ -e "$resolver" ] || { mkdir -p "$(dirname "$resolver")"; : > "$resolver"; }
ip link set lo up
echo ready
exec cat > /dev/null
`

export async function openSandbox(): Promise<Sandbox> {
  const withUser = await tryOpen(['--user', '--map-root-user'])
  if (withUser.ok) return withUser.sandbox
  const withRoot = process.getuid?.() === 0 ? await tryOpen([]) : withUser
  if (withRoot.ok) return withRoot.sandbox
  throw new LabError('unsupported', `cannot make the lab's namespaces: ${withUser.words} (${remedy()})`)
}

type Opening = { readonly ok: true; readonly sandbox: Sandbox } | { readonly ok: false; readonly words: string }

async function tryOpen(userArguments: readonly string[]): Promise<Opening> {
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const holder = spawn('unshare', [...userArguments, ...namespaces, 'sh', '-ec', setup], { env: toolEnvironment() })
  const exited = once(holder, 'exit')
  let words = ''
  holder.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
  const ready = once(holder.stdout, 'data')
  try {
    await Promise.race([ready, exited])
  } catch (error) {
    return { ok: false, words: error instanceof Error ? error.message : String(error) }
  }
  const [pid] = holder.exitCode === null && holder.pid !== undefined ? childrenOf(holder.pid) : []
  if (pid === undefined) return { ok: false, words: words.trim().replaceAll('\n', '; ') || 'unshare ended at once' }
  // A holder must not keep its owner alive: a program that is done may end without taking the lab down first.
  holder.unref()
  for (const stream of [holder.stdin, holder.stdout, holder.stderr]) unref(stream)
  const user = userArguments.length > 0 ? ['--user', '--preserve-credentials'] : []
  return {
    ok: true,
    sandbox: {
      command: (argv, namespace) => [
        // A stopped nsenter would outlive both its child and its owner.
        'setpriv',
        '--pdeathsig=KILL',
        'nsenter',
        `--target=${pid}`,
        ...user,
        '--mount',
        '--pid',
        namespace === undefined ? '--net' : `--net=/proc/${pid}/root/run/netns/${namespace}`,
        ...argv,
      ],
      path: (inside) => `/proc/${pid}/root${inside}`,
      close: async () => {
        holder.ref()
        holder.stdin.end()
        await exited
      },
    },
  }
}

/** An environment in which the tools are found: Debian keeps ip, tc and nft where an ordinary PATH does not look. */
export function toolEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, PATH: `${env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin` }
}

/** The processes another one started and has not yet waited for, from the kernel's list of its first thread. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    // It is gone, and its children with it or to somebody else.
    return []
  }
}

function unref(stream: object): void {
  if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
}

/** Returns how to allow user namespaces on this machine, as far as its settings show. */
function remedy(): string {
  const obstacles = [
    { key: 'kernel/unprivileged_userns_clone', bad: '0', good: '1' },
    { key: 'kernel/apparmor_restrict_unprivileged_userns', bad: '1', good: '0' },
    { key: 'user/max_user_namespaces', bad: '0', good: '15000' },
  ]
  const found = obstacles.filter(({ key, bad }) => readSetting(key) === bad)
  if (found.length === 0) {
    return 'the machine or the container it runs in forbids user namespaces: run it outside, or with a seccomp profile that allows unshare'
  }
  const commands = found.map(({ key, good }) => `sysctl -w ${key.replaceAll('/', '.')}=${good}`)
  return `allow them as root with: ${commands.join('; ')}`
}

function readSetting(key: string): string | undefined {
  const path = `/proc/sys/${key}`
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}
