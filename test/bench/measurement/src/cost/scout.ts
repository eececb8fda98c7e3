import { setTimeout as sleep } from 'node:timers/promises'
import { createProber, isProtocol } from '@scout/core'
import { z } from 'zod'

/*
 * Scout at its limit, in a separate process: `atOnce` probes are always in flight, or every target is repeated each millisecond, as
 * agents repeat and as fping does with `-p 1`. Prints their cost once the code is compiled, because the first seconds do not matter in a
 * run of days.
 */
const { protocol, targets, repeats, atOnce, warmup, count } = z
  .object({
    protocol: z.string().refine(isProtocol, 'this Scout has no such probe'),
    targets: z.array(z.string()),
    repeats: z.boolean(),
    atOnce: z.int(),
    warmup: z.int(),
    count: z.int(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''))

const repeated = { ended: 0, failed: 0 }
const prober = createProber({
  onResults(results) {
    repeated.ended += results.length
    repeated.failed += results.filter(({ result }) => !result.ok).length
  },
})
const measure = repeats ? repeat : probe
await measure(warmup)
const before = process.cpuUsage()
const failed = await measure(count)
const { user, system } = process.cpuUsage(before)
prober.close()
const residentMb = process.memoryUsage.rss() / 2 ** 20
process.stdout.write(
  JSON.stringify({ cpuUs: (user + system) / (repeats ? repeated.ended : count), residentMb, failed }),
  () => process.exit(),
)

/** Repeats all targets until so many attempts have ended, and returns how many of them failed. */
async function repeat(attempts: number): Promise<number> {
  Object.assign(repeated, { ended: 0, failed: 0 })
  await prober.setTasks(targets.map((target) => ({ id: target, protocol, target, intervalMs: 1 })))
  while (repeated.ended < attempts) await sleep(20)
  await prober.setTasks([])
  return repeated.failed
}

/** Makes so many attempts and returns how many failed. */
async function probe(attempts: number): Promise<number> {
  let [begun, failed] = [0, 0]
  const lane = async () => {
    while (begun < attempts) {
      const target = targets[begun++ % targets.length] ?? ''
      const { ok } = await prober.probe(protocol, target)
      if (!ok) failed++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  return failed
}
