import { type AnyResult, createProber, isProtocol } from '@scout/core'
import { z } from 'zod'
import { keepBusy } from '../stage/busy.ts'
import { sleep } from '../stage/tool.ts'
import type { Sample } from './sample.ts'

/*
 * Scout under test, in a process of its own: probes all targets at an interval, and prints what it measured in the order in which the
 * probes began.
 */
const { protocol, targets, count, intervalMs, isBusy, isInWorker, isSequential, options } = z
  .object({
    protocol: z.string().refine(isProtocol, 'this Scout has no such probe'),
    targets: z.array(z.string()),
    count: z.int(),
    intervalMs: z.number(),
    isBusy: z.boolean(),
    isInWorker: z.boolean(),
    isSequential: z.boolean(),
    options: z.object({ timeoutMs: z.number() }).loose(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''))

const prober = createProber({ worker: isInWorker })
await sleep(200) // the kernel turns its stamps on a moment after it was asked to
if (isBusy) keepBusy()
const started: Promise<AnyResult>[] = []
for (let i = 0; i < count; i++) {
  const burst = targets.map((target) => prober.probe(protocol, target, options))
  started.push(...burst)
  if (isSequential) await Promise.all(burst)
  await sleep(intervalMs)
}
const results = await Promise.all(started)
prober.close()
const clocks = [...new Set(results.flatMap(({ ok, clock }) => (ok ? [clockName(clock)] : [])))].join(', ')
process.stdout.write(JSON.stringify({ samples: results.map(sampleOf), clocks }), () => process.exit())

function clockName({ tx, rx }: AnyResult['clock']): string {
  return tx === rx ? tx : `${tx} to ${rx}`
}

function sampleOf({ ok, endpoint, phasesNs, totalNs, startedAtMs }: AnyResult): Sample {
  const to = endpoint?.address ?? ''
  if (!ok) return { to, timesNs: {}, limitMs: startedAtMs + options.timeoutMs }
  const phases: Readonly<Record<string, number | undefined>> = phasesNs
  const { connect = phases['handshake'], server, transfer } = phases
  const timesNs = {
    ...(connect === undefined ? { 'round trip': totalNs } : { connect }),
    ...(server === undefined || transfer === undefined ? {} : { 'first byte': server, transfer, total: totalNs }),
  }
  return { to, timesNs }
}
