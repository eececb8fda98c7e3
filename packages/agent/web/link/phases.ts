import type { LinkDocument, Series } from '../state/documents.ts'

/** Phases of the successes of one check that were the newest at some time, oldest first. */
export interface PhasePoints {
  /** Seconds since 1970. */
  readonly xs: readonly number[]
  /** Milliseconds at each of them, by phase, in the order that they follow each other. */
  readonly phases: ReadonlyMap<string, readonly (number | null)[]>
}

/** An hour of results that are looked at every 10 s. */
const mostKept = 360

/** Remembers the last results of a link, which agents do not. */
export class PhaseLog {
  readonly #kept = new Map<string, Map<number, Series['last']>>()

  add({ series }: LinkDocument): void {
    for (const { check, last } of series) {
      if (last?.ok !== true) continue
      const kept = this.#kept.get(check) ?? new Map<number, Series['last']>()
      this.#kept.set(check, kept.set(last.startedAtMs, last))
      for (const oldest of [...kept.keys()].slice(0, -mostKept)) kept.delete(oldest)
    }
  }

  pointsOf(check: string): PhasePoints {
    const results = [...(this.#kept.get(check) ?? [])].toSorted(([a], [b]) => a - b)
    const names = new Set(results.flatMap(([, result]) => Object.keys(result?.phasesNs ?? {})))
    const at = (name: string) =>
      results.map(([, result]) => {
        const ns = result?.phasesNs[name]
        return ns === undefined ? null : ns / 1e6
      })
    return {
      xs: results.map(([startedAtMs]) => startedAtMs / 1000),
      phases: new Map([...names].map((name) => [name, at(name)])),
    }
  }
}
