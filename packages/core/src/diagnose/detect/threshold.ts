import { rates } from './chart.ts'

/** What decides how many tests a mesh makes, and how often. */
interface MeshSize {
  readonly nodes: number
  /** Checks of a link. */
  readonly checks: number
  readonly intervalMs: number
}

/** One false alarm in the whole mesh in ten years. */
const budgetMs = 10 * 365.25 * 86_400_000
/** Nodes that an agent probes at most, unless it is configured to probe more. */
const mostPeers = 64

/** Returns the nats at which a chart alarms, so that all of a mesh together stay within the budget: ln(trials in the budget × tests). */
export function thresholdOf({ nodes, checks, intervalMs }: MeshSize): number {
  const tests = (2 * nodes * Math.min(Math.max(1, nodes - 1), mostPeers) + 2 * nodes) * checks * rates.length
  return Math.log((budgetMs / intervalMs) * tests)
}
