import type { Family } from '../../model/endpoint.ts'
import type { IcmpError } from '../../model/failure.ts'

/** What happened to the packets of one size. Sizes are those of whole IP packets, in bytes. */
export type SizeFate =
  | { readonly kind: 'passes' }
  /** Several packets were lost, while small ones sent beside them were answered. */
  | { readonly kind: 'vanishes' }
  /** A router reported that they are too big. */
  | { readonly kind: 'reported'; readonly error: IcmpError }

export type SizeFates = ReadonlyMap<number, SizeFate>

/** Asks with packets of several sizes at once. Resolves to what is certain; undefined if the time is over. */
export type AskSizes = (sizes: readonly number[]) => Promise<SizeFates | undefined>

export interface Search {
  /** A size that passes. */
  readonly floor: number
  /** The largest size that can be asked. */
  readonly limit: number
  /** Fates that are known already. */
  readonly known?: SizeFates
  /** Number of sizes in one round. */
  readonly width: number
  readonly ask: AskSizes
  /** Asks again with one size that vanished, more carefully. */
  readonly confirm: AskSizes
}

export interface Found {
  /** The largest size that passed. */
  readonly passes: number
  /** The smallest size above it that did not pass; undefined if the limit passed. */
  readonly fails?: number
  readonly fates: SizeFates
}

/** MTUs of usual links and tunnels: Ethernet, PPPoE, GRE, VXLAN, WireGuard, IPsec, clouds, and the minimum of IPv6. */
const usualSizes = [
  576, 1006, 1280, 1300, 1320, 1350, 1376, 1400, 1420, 1430, 1440, 1450, 1460, 1476, 1480, 1492, 1500, 1600, 2000, 4352,
  8000, 8500, 8896, 8950, 9000, 9216,
]

/** Rounds in which nothing new was learned before a search gives up, because packets are lost that should not be. */
const mostRounds = 12

/**
 * Finds the largest size that passes. Each round asks with many sizes at once, first with usual ones; so two rounds are enough for most
 * paths, and the number of rounds grows with the logarithm to the base of `width`. A size that vanished next to one that passed is confirmed.
 */
export async function largestPassing({ floor, limit, known, width, ask, confirm }: Search): Promise<Found> {
  const fates = new Map(known)
  let found = bracket(fates, { floor, limit })
  for (let round = 0; round < mostRounds && found.passes < limit; round++) {
    const { passes, fails = limit + 1 } = found
    const isNarrow = fails - passes === 1
    if (isNarrow && fates.get(fails)?.kind !== 'vanishes') break
    const asked = await (isNarrow ? confirm([fails]) : ask(nextSizes({ passes, fails, limit, width }, fates)))
    if (asked === undefined) break
    // Too many packets were lost by chance, so what else vanished is asked again.
    if (isNarrow && asked.get(fails)?.kind === 'passes') forget(fates, 'vanishes')
    for (const [size, fate] of asked) fates.set(size, fate)
    found = bracket(fates, { floor, limit })
    if (isNarrow && asked.size > 0 && found.fails === fails) break
  }
  return { ...found, fates }
}

function forget(fates: Map<number, SizeFate>, kind: SizeFate['kind']): void {
  for (const [size, fate] of fates) if (fate.kind === kind) fates.delete(size)
}

/** Sizes pass up to one and fail from the next on. A failure below a size that passed was loss. */
function bracket(fates: SizeFates, { floor, limit }: Pick<Search, 'floor' | 'limit'>): Omit<Found, 'fates'> {
  const sizes = [...fates.keys()]
  const passes = Math.max(floor, ...sizes.filter((size) => fates.get(size)?.kind === 'passes'))
  const fails = Math.min(...sizes.filter((size) => size > passes && size <= limit))
  return Number.isFinite(fails) ? { passes, fails } : { passes }
}

interface Gap extends Pick<Search, 'limit' | 'width'> {
  readonly passes: number
  /** The size that fails, or one more than the limit. */
  readonly fails: number
}

/** Returns the sizes of the next round, the smallest first. */
function nextSizes({ passes, fails, limit, width }: Gap, fates: SizeFates): readonly number[] {
  const between = fails - passes - 1
  if (between <= width) return Array.from({ length: between }, (_, index) => passes + 1 + index)
  const isOpen = (size: number) => size > passes && size < fails
  // Where a router reports an MTU, that size should pass, and the next one should not.
  const reported = reportsOf(fates).flatMap(({ mtu }) => (mtu === undefined ? [] : [mtu, mtu + 1]))
  const first = [...(fates.has(limit) ? [] : [limit]), ...reported.filter(isOpen)].slice(0, width)
  const usual = spread(usualSizes.filter(isOpen), width - first.length)
  const missing = width - first.length - usual.length
  const step = (fails - passes) / (missing + 1)
  const even = Array.from({ length: usual.length < 2 ? missing : 0 }, (_, index) =>
    Math.round(passes + step * (index + 1)),
  )
  return [...new Set([...first, ...usual, ...even.filter(isOpen)])].toSorted((a, b) => a - b)
}

/** Returns so many of the values, evenly chosen. */
function spread(values: readonly number[], count: number): readonly number[] {
  if (values.length <= count) return values
  return Array.from({ length: count }, (_, index) => values[Math.floor(((index + 0.5) * values.length) / count)] ?? 0)
}

/** Returns the ICMP errors "too big", one of each router and MTU, in the order of the sizes they are about. */
export function reportsOf(fates: SizeFates): readonly IcmpError[] {
  const reports = new Map<string, IcmpError>()
  for (const [, fate] of [...fates].toSorted(([a], [b]) => a - b))
    if (fate.kind === 'reported') reports.set(`${fate.error.from} ${fate.error.mtu}`, fate.error)
  return [...reports.values()]
}

/** Smallest MTU of a link that carries IPv6 (RFC 8200 §5). */
export const smallestIpv6Mtu = 1280

/**
 * Returns the size at which a sender is stuck that starts with the limit and follows what routers report (RFC 1191, RFC 8201): packets of
 * that size vanish. Undefined if it ends with a size that passes.
 */
export function stuckAt({ passes, fates }: Found, limit: number, family: Family): number | undefined {
  let size = limit
  while (size > passes) {
    const fate = fates.get(size)
    if (fate?.kind !== 'reported') return size
    // An old router does not say which size would pass, and the sender tries smaller ones (RFC 1191 §5).
    const { mtu = passes } = fate.error
    const next = family === 'ipv6' ? Math.max(mtu, smallestIpv6Mtu) : mtu
    if (next >= size) return size
    size = next
  }
  return undefined
}
