import { describe, expect, test } from 'vitest'
import { askables, awaited } from '../../src/diagnose/aspects.ts'
import type { Cause } from '../../src/diagnose/cause.ts'
import { causes, unexplained } from '../../src/diagnose/causes/index.ts'
import { twins } from '../../src/diagnose/causes/twins.ts'
import type { Symptom } from '../../src/diagnose/evidence.ts'
import { telling } from '../../src/diagnose/explain/tables.ts'
import { weightOf } from '../../src/diagnose/explain/vectors.ts'
import { factOf, variantsOf } from './tables.ts'

describe('the closed set of causes', () => {
  test('tells every two causes on a common scope apart, or declares them as twins', () => {
    const found = pairsOf(causes).filter(([one, other]) => {
      if (!one.scopes.some((scope) => other.scopes.includes(scope))) return false
      return !areToldApart(one, other)
    })
    expect(found.map(([one, other]) => [one.name, other.name])).toEqual(twins.map(({ causes }) => causes))
  })

  test('has words for each', () => {
    const all = [...causes, unexplained]
    expect(new Set(all.map(({ name }) => name)).size).toBe(46)
    for (const { name, because, means, shows, usually, remedy } of all) {
      const sentences = [means, shows, remedy].every((text) => /^[A-Z"a-z].*[.?]$/.test(text))
      const clauses = [because, ...usually].every((text) => text.length > 8 && !/[.]$/.test(text))
      expect({ name, sentences, clauses }).toEqual({ name, sentences: true, clauses: true })
    }
  })

  test('names no cause on today’s evidence that waits for other evidence', () => {
    const today = aspects.filter(({ waitsFor }) => waitsFor === undefined)
    const found = causes
      .filter(({ waitsFor }) => waitsFor !== undefined)
      .filter((cause) =>
        today.some(({ aspect }) =>
          yielded.some((symptom) => {
            const fact = factOf(aspect, symptom)
            return cause.variants([fact]).some((variant) => weightOf(variant, { fact, isWeak: false }).explains)
          }),
        ),
      )
    expect(found.map(({ name }) => name)).toEqual([])
  })

  test('finds each of the others', () => {
    const without = causes.filter((cause) => cause.waitsFor === undefined && variantsOf(cause).length === 0)
    expect(without.map(({ name }) => name)).toEqual([])
  })

  test('lists what the others wait for', () => {
    const waiting = causes.flatMap(({ name, waitsFor }) =>
      waitsFor === undefined ? [] : [`${name}: ${awaited[waitsFor]}`],
    )
    expect(waiting).toMatchInlineSnapshot(`
      [
        "accept-queue-full: counters of the nodes",
        "conntrack-exhausted: counters of the nodes",
        "neighbour-overflow: counters of the nodes",
        "dns-upstream-limited: checks of names outside the cluster",
        "hairpin-broken: checks of services and of the own service, by cluster address",
      ]
    `)
  })
})

const aspects = askables()

/** What detection says of an aspect today. */
const yielded = [
  'silent',
  'refused',
  'reset',
  'unreachable',
  'prohibited',
  'denied-here',
  'too-big',
  'wrong',
  'lossy',
  'slow',
  'jittery',
  'duplicated',
  'reordered',
  'remarked',
  'skewed',
] as const satisfies readonly Symptom[]

function areToldApart(one: Cause, other: Cause): boolean {
  return variantsOf(one).every((variant) =>
    variantsOf(other).every((rival) => telling(variant, rival, aspects) !== undefined),
  )
}

function pairsOf(all: readonly Cause[]): readonly (readonly [Cause, Cause])[] {
  return all.flatMap((one, index) => all.slice(index + 1).map((other) => [one, other] as const))
}
