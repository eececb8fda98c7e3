import { writeSync } from 'node:fs'
import { Socket } from 'node:net'

/** Standard output for a log that must never end or delay the agent. */
export interface LogOutput {
  /** Lines that could not be written. */
  readonly lost: number
  /** Writes whole lines, or counts them as lost. */
  write(text: string): void
}

/** How much may wait for a slow reader. */
const mostWaitingBytes = 1 << 20

/**
 * Opens standard output for a log. A full disk loses lines until there is space again. A reader that has gone loses all lines, and one that
 * has stopped reading those beyond a limit.
 */
export function openLogOutput(): LogOutput {
  const { stdout, stderr } = process
  let lost = 0
  const lose = (text: string) => {
    lost += text.split('\n').length - 1
  }
  // Each lost line is counted where it is written; without listeners, the events would end the process.
  stdout.on('error', () => {})
  stderr.on('error', () => {})

  const writeToReader = (text: string) => {
    if (stdout.writableLength > mostWaitingBytes) return lose(text)
    stdout.write(text, (error) => {
      if (error instanceof Error) lose(text)
    })
  }

  // Node's own stream for files does not write again after an error.
  let isMidLine = false
  const writeToFile = (text: string) => {
    const bytes = Buffer.from(isMidLine ? `\n${text}` : text)
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(stdout.fd, bytes, written)
      isMidLine = false
    } catch {
      if (written > 0) isMidLine = bytes[written - 1] !== newline
      lose(bytes.toString('utf8', written))
    }
  }

  return {
    get lost() {
      return lost
    },
    // Pipes, sockets and terminals are sockets to Node, which never block.
    write: stdout instanceof Socket ? writeToReader : writeToFile,
  }
}

const newline = 0x0a
