import { z } from 'zod'
import type { Network, PathState } from './network.ts'
import { scoutProbe, type Tool } from './tool.ts'

/** A way to find a path's MTU. */
interface Finder {
  readonly tool: string
  readonly command?: string
  readonly argv: (target: string) => readonly string[]
  readonly exitCodes?: readonly number[]
  /** Returns the MTU, in bytes; undefined if it found none. */
  readonly mtuOf: (output: string) => number | undefined
}

const finders: readonly Finder[] = [
  {
    tool: 'scout',
    argv: (target) => [...scoutProbe, 'mtu', target, '--json'],
    // A black hole is a failure.
    exitCodes: [0, 1],
    mtuOf: (output) => scoutResult.parse(JSON.parse(output)).detail.pathMtu,
  },
  {
    tool: 'tracepath',
    command: 'tracepath',
    argv: (target) => ['tracepath', '-n', '-m', '9', target],
    mtuOf: (output) => numberIn(output, /Resume: pmtu (\d+)/),
  },
  {
    tool: 'scamper',
    command: 'scamper',
    // Only its text has the MTU up to each hop.
    argv: (target) => ['scamper', '-I', `trace -P udp-paris -w 1 -M ${target}`],
    mtuOf: (output) => numberIn(output, /mtu: (\d+)\]\s*$/),
  },
]

const states: Readonly<Record<PathState, string>> = {
  wide: 'MTU of a healthy path',
  reported: 'MTU that a router reports',
  silent: 'MTU of a black hole',
}

export const mtus: readonly Tool[] = (['wide', 'reported', 'silent'] as const).flatMap((state) =>
  finders.map(({ mtuOf, ...finder }) => ({
    ...finder,
    what: states[state],
    state,
    answersOf: (output, { mtuBytes }: Network) => [mtuOf(output) === mtuBytes(state)],
  })),
)

const scoutResult = z.object({ detail: z.object({ pathMtu: z.number() }) })

function numberIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}
