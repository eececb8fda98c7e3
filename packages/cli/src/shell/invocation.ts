import type { ExitCode } from './exit-code.ts'
import type { Io } from './io.ts'

/** One run of the program: the streams of its commands, and their exit code. */
export interface Invocation {
  readonly io: Io
  /** Returns a function that runs this command on the node of --from; undefined without that flag. */
  elsewhere(): (() => Promise<ExitCode>) | undefined
  finish(code: ExitCode): void
}

/** Returns a titled list for the end of a help screen. */
export function helpSection(title: string, entries: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(entries).map((term) => term.length))
  const lines = Object.entries(entries).map(([term, about]) => `  ${term.padEnd(width)}  ${about}`)
  return ['', `${title}:`, ...lines].join('\n')
}

/** Returns two examples; the arguments omit the name of the program. */
export function helpExamples(program: string, first: string, second: string): string {
  return `\nExamples:\n  $ ${program} ${first}\n  $ ${program} ${second}`
}
