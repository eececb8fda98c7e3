import { explain, Fact, type Finding, familyOf, intervalOf, type Known, symptomOf } from '@scout/core'
import type { CheckOutcome } from './render/checks.ts'

const from = 'here'

/** A finding of one run, which does not know when the trouble began. */
export type OwnFinding = Omit<Finding, 'sinceMs'>

/**
 * Returns the causes that this machine's own results name: one link from here to the host. Empty if nothing passes, because only contrast
 * names a cause, and if nothing fails.
 */
export function ownFindings(
  outcomes: readonly CheckOutcome[],
  { host, atMs }: { readonly host: string; readonly atMs: number },
): readonly OwnFinding[] {
  const all = outcomes.flatMap((outcome): readonly Fact[] => {
    const { check, address } = outcome
    const shown = shownBy(outcome)
    // A name server on the host is another matter than the way to it.
    if (shown === undefined || check.protocol === 'dns') return []
    const { name, protocol, bytes, path, vantage } = check
    const family = address === undefined ? undefined : familyOf(address)
    const to = { kind: 'node', name: host } as const
    const known = { from, to, target: address ?? host, ...shown, sinceMs: atMs, lastMs: atMs }
    return [new Fact({ check: name, protocol, bytes, path, vantage, family }, known)]
  })
  const facts = isWithResponder(all) ? all : all.filter((fact) => !needsResponder(fact))
  if (!facts.some(({ symptom }) => symptom === 'passes')) return []
  const nodes = [from, host].map((name) => ({ name, hasRow: true, isStarved: false, problems: [] }))
  return explain({ atMs, nodes, facts }, { burstMs: 0 })
    .filter(({ cause }) => cause !== 'unexplained')
    .map(({ sinceMs: _, ...finding }) => ({ ...finding, next: `scout-probe explain ${finding.cause}` }))
}

/** Returns whether a Scout answers there. Another server answers no datagram, and a request for many bytes with an error. */
function isWithResponder(facts: readonly Fact[]): boolean {
  return facts.some(
    ({ check, protocol, symptom }) => symptom === 'passes' && (protocol === 'udp' || check === 'http-large'),
  )
}

function needsResponder({ check, protocol, symptom }: Fact): boolean {
  return (protocol === 'udp' && symptom === 'silent') || (check === 'http-large' && symptom === 'wrong')
}

function shownBy({ statistics, lastFailure }: CheckOutcome): Pick<Known, 'symptom' | 'trials' | 'loss'> | undefined {
  const { sent, received } = statistics
  if (lastFailure === undefined) return received === 0 ? undefined : { symptom: 'passes', trials: received }
  const symptom = symptomOf(lastFailure)
  if (symptom === undefined) return undefined
  if (received === 0) return { symptom, trials: sent }
  return symptom === 'silent' ? { symptom: 'lossy', trials: sent, loss: intervalOf(sent - received, sent) } : undefined
}
