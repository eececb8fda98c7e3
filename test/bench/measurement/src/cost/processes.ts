import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Time on a processor, in user and kernel mode, and memory. */
export interface Usage {
  readonly cpuUs: number
  readonly residentMb: number
}

/** Runs a command to its end and returns its resource usage and its output. Bash reads the usage from the kernel. */
export async function usageOfCommand(argv: readonly string[]): Promise<Usage & { readonly words: string }> {
  const script = 'TIMEFORMAT="used %U %S"; time "$0" "$@" >&2'
  const shell = spawn('bash', ['-c', script, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] })
  let words = ''
  shell.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text
  })
  let residentMb = 0
  const watch = setInterval(() => {
    const [child] = readProc(`${shell.pid}/task/${shell.pid}/children`).split(' ')
    if (child !== undefined && child !== '') residentMb = Math.max(residentMb, residentMbOf(child))
  }, 20)
  const [code]: unknown[] = await once(shell, 'close')
  clearInterval(watch)
  const { user, system } = /^used (?<user>[\d.]+) (?<system>[\d.]+)$/m.exec(words)?.groups ?? {}
  if (code !== 0 || user === undefined || system === undefined)
    throw new Error(`${argv[0]} ended with ${String(code)}: ${words}`)
  return { cpuUs: (Number(user) + Number(system)) * 1e6, residentMb, words }
}

/** What a running process has used so far. */
export function usageOfProcess(pid: number): Usage {
  // The name, in parentheses, may have spaces; user and system time are the 12th and 13th field behind it (proc(5), stat).
  const fields = readProc(`${pid}/stat`)
    .replace(/^.*\) /, '')
    .split(' ')
  return { cpuUs: (Number(fields[11]) + Number(fields[12])) * tickUs, residentMb: residentMbOf(String(pid)) }
}

/** USER_HZ is 100 on all of Linux's architectures that Node runs on. */
const tickUs = 10_000

function residentMbOf(pid: string): number {
  return Number(/^VmRSS:\s+(?<kb>\d+) kB$/m.exec(readProc(`${pid}/status`))?.groups?.['kb'] ?? 0) / 1024
}

/** Empty when the process is gone. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return ''
  }
}
