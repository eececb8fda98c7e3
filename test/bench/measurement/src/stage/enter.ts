import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** Namespaces of its own for a bench, whose end ends everything started in them. */
const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']

/**
 * Runs a program as process 1 of namespaces of its own and returns its exit code. With the program the kernel ends all it started and
 * frees every link, however it ends. `onMessage` receives what the program sends over its channel.
 */
export async function runOnStage(
  program: string,
  args: readonly string[],
  onMessage: (message: unknown) => void = () => {},
): Promise<number> {
  const own = [[], ['--user', '--map-root-user']].find((user) => canUnshare([...user, ...namespaces]))
  if (own === undefined) {
    process.stderr.write('cannot make network namespaces here: run as root, or allow user namespaces\n')
    return 3
  }
  const child = spawn('unshare', [...own, ...namespaces, process.execPath, program, ...args], {
    // The channel closes when this process ends, and the program with it.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.on('message', onMessage)
  const [code]: unknown[] = await once(child, 'exit')
  return typeof code === 'number' ? code : 1
}

function canUnshare(flags: readonly string[]): boolean {
  return spawnSync('unshare', [...flags, 'true'], { stdio: 'ignore' }).status === 0
}
