import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { catalogueMarkdown } from '../src/command/catalogue.ts'
import { faults, findFault } from '../src/faults/index.ts'
import { parseOptions } from '../src/options.ts'

test('names are unique, in small letters, and say nothing twice', () => {
  const names = faults.map((fault) => fault.name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([])
})

test('every parameter is described and has a default', () => {
  const lacking = faults.flatMap(({ name, parameters }) =>
    Object.entries(parameters.shape)
      .filter(([, field]) => field.description === undefined || !field.safeParse(undefined).success)
      .map(([key]) => `${name} ${key}`),
  )
  expect(lacking).toEqual([])
})

test('an unknown fault or parameter names the nearest one', () => {
  expect(() => findFault('udp-bloked')).toThrow('there is no fault "udp-bloked": did you mean udp-blocked?')
  const { parameters } = findFault('delay')
  expect(() => parseOptions('the fault delay', parameters, { milisecond: 5 })).toThrow(
    'the fault delay has no parameter "milisecond": did you mean milliseconds?',
  )
  expect(() => parseOptions('the fault delay', parameters, { percentage: '101' })).toThrow(
    'parameter percentage of the fault delay: "101" is out of range: it must be at least 0.01 and at most 100',
  )
  expect(() => parseOptions('the fault delay', parameters, { direction: 'up' })).toThrow(
    'parameter direction of the fault delay: "up" is not one of forward, backward, both',
  )
})

test('the README shows the catalogue as it is', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(catalogueMarkdown(faults))
})
