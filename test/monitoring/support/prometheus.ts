import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lab } from '@scout/lab'
import { z } from 'zod'

const port = 9090

export interface PrometheusOptions {
  /** Addresses with ports, reachable from `place`. */
  readonly targets: readonly string[]
  /** Text of a file of rules. */
  readonly rules: string
  /** Pod that it runs in. */
  readonly place: string
}

const labels = z.record(z.string(), z.string())

const answer = z.object({ status: z.literal('success'), data: z.unknown() })
const samples = z.object({ result: z.array(z.object({ metric: labels, value: z.tuple([z.number(), z.string()]) })) })
const alerts = z.object({
  alerts: z.array(z.object({ labels, annotations: labels, state: z.enum(['pending', 'firing', 'inactive']) })),
})
const targets = z.object({ activeTargets: z.array(z.object({ health: z.string(), lastError: z.string() })) })
const exemplars = z.array(z.object({ seriesLabels: labels, exemplars: z.array(z.object({ labels })) }))

export type Prometheus = Awaited<ReturnType<typeof startPrometheus>>

/** Starts a Prometheus in a pod of the lab that scrapes and evaluates every second. It ends with the lab. */
export async function startPrometheus(lab: Lab, { place, rules, ...options }: PrometheusOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'scout-prometheus-'))
  await writeFile(join(folder, 'rules.yaml'), rules)
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yaml'],
    scrape_configs: [{ job_name: 'scout', static_configs: [{ targets: options.targets }] }],
  }
  await writeFile(join(folder, 'prometheus.yaml'), JSON.stringify(config))
  const flags = {
    'config.file': join(folder, 'prometheus.yaml'),
    'storage.tsdb.path': join(folder, 'data'),
    'web.listen-address': `127.0.0.1:${port}`,
    'enable-feature': 'exemplar-storage',
    'log.level': 'error',
  }
  const { port: localPort } = await lab.forwardPort({ place, port })
  const running = lab.spawn(
    place,
    ['prometheus', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    { env: process.env, stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  )

  /** Asks the API, until it answers after the start. Its errors are those of the query. */
  const ask = async (path: string, query: Readonly<Record<string, string>> = {}) => {
    const url = `http://127.0.0.1:${localPort}/api/v1/${path}?${new URLSearchParams(query).toString()}`
    const text = await (await fetch(url, { signal: AbortSignal.timeout(20_000) })).text()
    const parsed = answer.safeParse(JSON.parse(text))
    if (!parsed.success) throw new Error(`${path} ${JSON.stringify(query)}: ${text}`)
    return parsed.data.data
  }

  return {
    url: `http://127.0.0.1:${localPort}`,
    /** Whether it answers. */
    isUp: () =>
      ask('status/buildinfo').then(
        () => true,
        () => false,
      ),
    query: async (query: string) => samples.parse(await ask('query', { query })).result,
    alerts: async () => alerts.parse(await ask('alerts')).alerts,
    targets: async () => targets.parse(await ask('targets')).activeTargets,
    /** Returns the values of a label of all series of a metric. */
    labelValues: async (label: string, match: string) =>
      z.array(z.string()).parse(await ask(`label/${label}/values`, { 'match[]': match })),
    exemplars: async (query: string) => {
      const seconds = Date.now() / 1000
      const range = { start: String(seconds - 600), end: String(seconds + 60) }
      return exemplars.parse(await ask('query_exemplars', { query, ...range }))
    },
    async stop() {
      await running.stop(10_000)
      await rm(folder, { recursive: true })
    },
  }
}
