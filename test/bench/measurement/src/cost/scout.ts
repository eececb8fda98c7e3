import { createProber, isProtocol } from '@scout/core'
import { z } from 'zod'

/*
 * Scout at its limit, in a separate process: `atOnce` probes are always in flight. Prints their cost once the code is compiled,
 * because the first seconds do not matter in a run of days.
 */
const { protocol, targets, atOnce, warmup, count } = z
  .object({
    protocol: z.string().refine(isProtocol, 'this Scout has no such probe'),
    targets: z.array(z.string()),
    atOnce: z.int(),
    warmup: z.int(),
    count: z.int(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''))

const prober = createProber()
await probe(warmup)
const before = process.cpuUsage()
const failed = await probe(count)
const { user, system } = process.cpuUsage(before)
prober.close()
const residentMb = process.memoryUsage.rss() / 2 ** 20
process.stdout.write(JSON.stringify({ cpuUs: (user + system) / count, residentMb, failed }), () => process.exit())

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
