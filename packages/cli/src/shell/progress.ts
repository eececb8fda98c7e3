import type { Output } from './io.ts'

/** One line on a terminal that is written over until it is cleared; nothing anywhere else. */
export interface Progress {
  show(text: string): void
  clear(): void
}

export function startProgress(err: Output): Progress {
  const write = (text: string) => {
    if (err.isTerminal) err.write(`\r${text.slice(0, (err.columns ?? 80) - 1)}\x1b[K`)
  }
  return { show: write, clear: () => write('') }
}
