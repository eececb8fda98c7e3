import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

/**
 * Keeps every core busy with loops that run only where nothing else wants to, and touch no memory. An agent wakes up a hundred times a
 * second, and where a core has gone to sleep meanwhile, each wake-up also pays for waking the core: on a virtual machine, which leaves the
 * processor to others when it halts, that is as much as the agent itself needs (3.0 % of a core instead of 1.7 %, both measured on one).
 * The nodes of a cluster have other work, and yardsticks, which never sleep, do not tell how expensive it is.
 */
export function keepAwake() {
  const loops = Array.from({ length: availableParallelism() }, () =>
    spawn('chrt', ['--idle', '0', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }),
  )
  return {
    end() {
      for (const loop of loops) loop.kill('SIGKILL')
    },
  }
}
