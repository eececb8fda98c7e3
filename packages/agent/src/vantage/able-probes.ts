import { outcomeOf, type Prober, type Protocol, probes } from '@scout/core'

/** A target on this host for each form; what it answers does not matter. */
const targets = {
  host: '127.0.0.1',
  'host:port': '127.0.0.1:9',
  url: 'http://127.0.0.1:9/',
  'name@server': 'localhost@127.0.0.1',
} as const satisfies Record<(typeof probes)[Protocol]['targetForm'], string>

/** The probes this process is able to make: tried, since privileges cannot be told from settings. */
export async function ableProbes(prober: Prober): Promise<readonly Protocol[]> {
  const tried = await Promise.all(
    Object.values(probes).map(async ({ protocol, targetForm }) => {
      const result = await prober.probe(protocol, targets[targetForm], { timeoutMs: 100 })
      return outcomeOf(result) === 'unable' ? [] : [protocol]
    }),
  )
  return tried.flat()
}
