import { readFileSync } from 'node:fs'
import { LabError } from '../errors.ts'
import { type Lab, openLab } from '../lab.ts'
import type { LabSpecInput } from '../spec.ts'
import { buildTopology } from '../topology.ts'

const sizes = [3, 10, 30, 100] as const
const kinds = [
  { network: 'routed', families: 'ipv4' },
  { network: 'vxlan', families: 'dual' },
] as const
const delaysMs = [1, 5, 20] as const

/** Builds labs of growing size, network alone, and measures delays; answers the lines of a report as they come. */
export async function* bench(): AsyncGenerator<string> {
  yield 'nodes  network      namespaces  up       down     kernel memory'
  for (const nodes of sizes) for (const kind of kinds) yield await measureLab({ ...kind, nodes, dnsReplicas: 0 })
  yield ''
  yield 'delay asked  round trip before  round trip with it  median error'
  const lab = await openLab({ dnsReplicas: 0 })
  try {
    for (const delayMs of delaysMs) yield await measureDelay(lab, delayMs)
  } finally {
    await lab.close()
  }
}

async function measureLab(spec: LabSpecInput): Promise<string> {
  const { nodes, pods, families } = buildTopology(spec)
  const beforeKb = kernelKb()
  const startMs = performance.now()
  const lab = await openLab(spec)
  const upMs = performance.now() - startMs
  const memoryMb = (kernelKb() - beforeKb) / 1024
  await medianPingMs(lab, `10.244.${nodes.length}.10`, 1)
  const endMs = performance.now()
  await lab.close()
  const downMs = performance.now() - endMs
  return [
    String(nodes.length).padEnd(7),
    `${spec.network} ${families.length === 1 ? 'v4' : 'v4+v6'}`.padEnd(13),
    String(nodes.length + pods.length + 1).padEnd(12),
    `${(upMs / 1000).toFixed(2)} s`.padEnd(9),
    `${(downMs / 1000).toFixed(2)} s`.padEnd(9),
    `${memoryMb.toFixed(0)} MB`,
  ].join('')
}

async function measureDelay(lab: Lab, delayMs: number): Promise<string> {
  const target = '10.244.2.10'
  const plainMs = await medianPingMs(lab, target, 50)
  const injection = await lab.inject('delay', { milliseconds: delayMs })
  const delayedMs = await medianPingMs(lab, target, 50)
  const [report = ''] = await injection.report()
  await injection.heal()
  return [
    `${delayMs} ms`.padEnd(13),
    `${plainMs.toFixed(2)} ms`.padEnd(19),
    `${delayedMs.toFixed(2)} ms`.padEnd(20),
    `${(delayedMs - plainMs - delayMs).toFixed(2)} ms (${report})`,
  ].join('')
}

async function medianPingMs(lab: Lab, target: string, count: number): Promise<number> {
  const { stdout } = await lab.run('pod1', ['ping', '-n', '-c', String(count), '-i', '0.02', '-W', '1', target])
  const timesMs = [...stdout.matchAll(/time=([\d.]+)/g)].map(([, time]) => Number(time)).toSorted((a, b) => a - b)
  const medianMs = timesMs[Math.floor(timesMs.length / 2)]
  if (medianMs === undefined) throw new LabError('failed', `no ping from pod1 to ${target} came back`)
  return medianMs
}

/** Memory that namespaces, links and tables take: the kernel's objects, and those it keeps for each CPU. */
function kernelKb(): number {
  const lines = readFileSync('/proc/meminfo', 'utf8').matchAll(/^(Slab|Percpu|KernelStack):\s+(\d+)/gm)
  return [...lines].reduce((total, [, , size]) => total + Number(size), 0)
}
