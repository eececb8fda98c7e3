import { readFileSync } from 'node:fs'
import { describeProviders } from '@scout/core'
import { describe, test } from 'vitest'
import { type ToolName, whyMissing } from '../../scripts/system-tools.mjs'

/** Something a test takes from the machine it runs on. */
export type Requirement = {
  readonly isMet: boolean
  /** What is needed, in the words of the report: `needs CAP_NET_RAW`. */
  readonly reason: string
  /** Whether continuous integration may go without; else a test that would skip itself there fails. */
  readonly isSpareableInCi?: boolean
}

/** A system tool is asked for by its name in scripts/system-tools.mjs. */
export type Need = ToolName | Requirement

/**
 * A `test` that skips itself, with the reason, where the machine lacks what it needs.
 *
 * @example const it = testWith('python3', capability('CAP_NET_RAW'))
 */
export function testWith(...needs: readonly Need[]) {
  return test.extend<{ requirements: undefined }>({
    requirements: [
      async ({ skip }, use) => {
        const reason = reasonToSkip(needs)
        if (reason !== undefined) skip(reason)
        await use(undefined)
      },
      { auto: true },
    ],
  })
}

/** A `describe` whose hooks do not run either where something is lacking: one skipped test then stands for all of it. */
export function describeWith(...needs: readonly Need[]) {
  return (name: string, body: () => void): void => {
    if (needs.map(toRequirement).every((requirement) => requirement.isMet)) describe(name, body)
    else testWith(...needs)(name, () => {})
  }
}

// Bit numbers of linux/capability.h.
const capabilityBits = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const

/** A Linux capability this process must have. */
export function capability(name: keyof typeof capabilityBits): Requirement {
  return { isMet: hasCapability(capabilityBits[name]), reason: `needs ${name}` }
}

/** The native part of @scout/core, which SCOUT_NATIVE=0 turns off. */
export const nativePart: Requirement = {
  isMet: describeProviders().udp.name === 'native',
  reason: 'needs the native part of @scout/core',
  // Continuous integration runs everything with it, and then once more without.
  isSpareableInCi: process.env['SCOUT_NATIVE'] === '0',
}

/** What only a process without the native part does. */
export const withoutNativePart: Requirement = {
  isMet: !nativePart.isMet,
  reason: 'is about a process without the native part of @scout/core',
  isSpareableInCi: true,
}

/** @throws where a test would skip itself in continuous integration, which is set up to run them all */
export function reasonToSkip(needs: readonly Need[], isCi = process.env['CI'] === 'true'): string | undefined {
  const unmet = needs.map(toRequirement).filter((requirement) => !requirement.isMet)
  if (unmet.length === 0) return undefined
  const reason = unmet.map((requirement) => requirement.reason).join('; ')
  if (isCi && !unmet.every((requirement) => requirement.isSpareableInCi)) {
    throw new Error(`this test must not be skipped in continuous integration: it ${reason}`)
  }
  return reason
}

function toRequirement(need: Need): Requirement {
  if (typeof need !== 'string') return need
  const reason = whyMissing(need)
  return reason === undefined ? { isMet: true, reason: `needs ${need}` } : { isMet: false, reason }
}

function hasCapability(bit: number): boolean {
  if (process.platform !== 'linux') return false
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n
}
