import { fileURLToPath } from 'node:url'
import type { Network, PathState } from './network.ts'

/** A command that finds something out about a path. */
export interface Tool {
  readonly tool: string
  /** The program it runs, where that is one of the machine's. */
  readonly command?: string
  readonly what: string
  /** The path that it is given. */
  readonly state: PathState
  readonly argv: (target: string) => readonly string[]
  /** Exit codes with which it answers. */
  readonly exitCodes?: readonly number[]
  /** Returns of each of its answers whether it is right. */
  readonly answersOf: (output: string, network: Network) => readonly boolean[]
}

/** As bundled for the image (scripts/bench/measure.mjs). */
export const scoutProbe = [
  process.execPath,
  fileURLToPath(new URL('../../../../../.cache/bench/programs/bin/scout-probe', import.meta.url)),
]
