import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Lab, openLab } from '../../src/index.ts'
import type { LabSpecInput } from '../../src/spec.ts'
import { allowTime } from './namespaces.ts'

/** One lab for all tests of a suite; each of them leaves it healed. */
export function useLab(spec: LabSpecInput, workloads?: readonly string[]): () => Lab {
  allowTime()
  let lab: Lab | undefined
  const current = () => {
    if (lab === undefined) throw new Error('the lab is not up yet')
    return lab
  }
  beforeAll(async () => {
    lab = await openLab(spec)
    await lab.startWorkload(workloads)
  })
  afterEach(() => current().healAll())
  afterAll(() => current().close())
  return current
}

/** What is to be seen while a fault is at work; it must have bitten, and is healed afterwards. */
export async function during<T>(
  lab: Lab,
  [fault, parameters = {}]: readonly [string, Readonly<Record<string, unknown>>?],
  look: () => Promise<T>,
): Promise<T> {
  const injection = await lab.inject(fault, parameters)
  const seen = await look()
  expect(await injection.hits(), `hits of ${fault}`).toBeGreaterThan(0)
  await injection.heal()
  return seen
}
