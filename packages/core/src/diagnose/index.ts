export { type Awaited, awaited } from './aspects.ts'
export type { Cause } from './cause.ts'
export { causes, unexplained } from './causes/index.ts'
export { type ClockAnswer, clockFacts } from './clocks.ts'
export { LossChart } from './detect/chart.ts'
export { Detector } from './detect/detector.ts'
export { intervalOf } from './detect/proportion.ts'
export { thresholdOf } from './detect/threshold.ts'
export {
  type Arrival,
  type Aspect,
  aspectIdOf,
  aspectOf,
  changedFact,
  type End,
  type Evidence,
  endIdOf,
  Fact,
  factLinkIdOf,
  harmless,
  type Known,
  knownOf,
  type NodeEvidence,
  type Symptom,
  symptoms,
} from './evidence.ts'
export { explain } from './explain/explain.ts'
export { endOf, evidenceOf } from './facts.ts'
export type { Finding, Rival, RuledOut, Weight } from './finding.ts'
export { type Incident, incidentObject, incidentsOf, linksWithin } from './incidents.ts'
export { type ProofName, proofs } from './proofs/index.ts'
export type { Collected, ProofAttempt } from './proofs/proof.ts'
export { type Direction, nodesIn, prices, type Scope, type ScopeKind, scopeText } from './scope.ts'
export { createAspects } from './shared-aspects.ts'
export { shellWord } from './shell.ts'
export { isStarved } from './starvation.ts'
export { symptomOf } from './symptom-of.ts'
export { changeOf, createIncidents, type IncidentChange } from './tracker.ts'
export { type Candidate, rankedWatchers, type Sight, speakerOf, watchersOf } from './watchers.ts'
