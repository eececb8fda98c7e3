import { idOf, latestMs, reasonNames, row, rowBytes } from '@scout/core'
import { z } from 'zod'
import { createRings, type KeptHistory, keptFailures } from './series.ts'

/*
 * The file that keeps histories: lines of JSON, compressed. The first says what it is; each other one has slots of one series, packed, and its
 * failures, which replace those of earlier lines. So changes can be appended, each time as another member of the gzip file (RFC 1952 §2.2):
 * `gzip -dc FILE | head -c 1000` shows it.
 */

const version = 1

/** A packed series, with room for slots that are written twice. */
const mostLineLength = 200_000
/** Failures of one series that are written. Those that are longer are left out. */
const mostFailuresLength = 20_000
/** Twice as many as the largest sample of nodes has with the default checks, and their lines with all that was appended. */
const mostSeries = 4_000
const mostLength = 512 << 20

/** Lines after which other work has its turn: one with a whole day takes a millisecond or two. */
const linesAtOnce = 4

const head = z.object({ scout: z.literal('history'), version: z.int() })
const ownHead = z.strictObject({
  ...head.shape,
  node: z.string(),
  /** Names of the bits of packed slots. */
  reasons: z.array(z.string()).max(32),
})

const name = z.string().min(1).max(300)
const packed = z
  .base64()
  .transform((text) => Buffer.from(text, 'base64'))
  .refine(({ length }) => length % rowBytes === 0, 'not whole slots')
const line = z.strictObject({
  check: name,
  path: name,
  vantage: name,
  family: z.enum(['ipv4', 'ipv6']).optional(),
  to: name.optional(),
  recent: packed,
  day: packed,
  /** Absent if they are those of an earlier line. */
  failures: row.shape.series.unwrap().element.shape.failures.unwrap().max(keptFailures).readonly().optional(),
})

/** Why a file is not read, or not to its end. */
export class UnreadableHistory extends Error {
  /** Whether the file is not this agent's, which must not replace it. */
  readonly isOfOthers: boolean

  constructor(message: string, { isOfOthers = false } = {}) {
    super(message)
    this.isOfOthers = isOfOthers
  }
}

/** Returns the first line of a file of this node. */
export function headLine(node: string): string {
  return lineOf({ scout: 'history', version, node, reasons: reasonNames } satisfies z.input<typeof ownHead>)
}

/**
 * Returns an empty member of a gzip file, whose comment (RFC 1952 §2.3.1) says whose history it is, uncompressed. Every write ends with it, so
 * that a file that is damaged anywhere else can be told from one of somebody else.
 */
export function markOf(node: string): Buffer {
  const head = Buffer.from([0x1f, 0x8b, 8, hasComment, 0, 0, 0, 0, 0, 3])
  const emptyWithChecksums = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  // JSON has no NUL, which ends the comment.
  return Buffer.concat([head, Buffer.from(`scout history of ${JSON.stringify(node)}\0`), emptyWithChecksums])
}

const hasComment = 1 << 4

export interface LinesOptions {
  readonly which: 'all' | 'changed'
  /** Failures that have been written. */
  readonly written: WeakSet<KeptHistory['failures']>
}

/** Yields a line for each history: with all it has, or with what has changed since the last call, if anything has. */
export function* linesOf(histories: Iterable<KeptHistory>, { which, written }: LinesOptions): Generator<string> {
  for (const { key, recent, day, failures } of histories) {
    const nowMs = Date.now()
    const [ofRecent, ofDay] = [recent.pack(nowMs, which), day.pack(nowMs, which)]
    const isNew = failures.length > 0 && (which === 'all' || !written.has(failures))
    if (ofRecent.length + ofDay.length === 0 && !isNew) continue
    written.add(failures)
    const { check, path, vantage, family, to } = key
    yield lineOf({
      check,
      path,
      vantage,
      family,
      to,
      recent: ofRecent.toString('base64'),
      day: ofDay.toString('base64'),
      failures: isNew ? shortened(failures) : undefined,
    } satisfies z.input<typeof line>)
  }
}

/** Returns failures without the details of their probe, which may be long. */
function shortened(failures: KeptHistory['failures']): KeptHistory['failures'] | undefined {
  const short = failures.map((one) => ({ ...one, detail: undefined }))
  return JSON.stringify(short).length > mostFailuresLength ? undefined : short
}

/**
 * Reads histories from the text of a file into a map, by id. What was read stays in it if the rest is damaged.
 * @throws {UnreadableHistory}
 */
export async function readHistories(
  text: AsyncIterable<string>,
  { node, into }: { readonly node: string; readonly into: Map<string, KeptHistory> },
): Promise<void> {
  let reasons: readonly string[] | undefined
  let count = 0
  for await (const written of linesIn(text)) {
    if (reasons === undefined) {
      reasons = readHead(written, node)
      continue
    }
    const { data } = line.safeParse(jsonOf(written))
    if (data === undefined) throw new UnreadableHistory(`line ${count + 2} is damaged`)
    const { recent, day, failures, ...place } = data
    const key = { ...place, from: node }
    const id = idOf(key)
    const known = into.get(id) ?? { key, ...createRings(), failures: [] }
    if (into.size === mostSeries && !into.has(id)) throw new UnreadableHistory(`it has more than ${mostSeries} series`)
    const nowMs = Date.now()
    into.set(id, { ...known, failures: failures === undefined ? known.failures : recentOf(failures, nowMs) })
    const options = { reasons, nowMs }
    known.recent.unpack(recent, options)
    known.day.unpack(day, options)
    if (++count % linesAtOnce === 0) await new Promise((resolve) => void setImmediate(resolve))
  }
  if (reasons === undefined) throw ofOthers
}

/** Returns failures of the day that a history has, as far as this version would have written them. */
function recentOf(failures: KeptHistory['failures'], nowMs: number): KeptHistory['failures'] {
  const isRecent = (atMs: number) => atMs > nowMs - 86_400_000 && atMs < nowMs + latestMs
  return shortened(failures.filter(({ startedAtMs }) => isRecent(startedAtMs))) ?? []
}

const ofOthers = new UnreadableHistory('it is no history of Scout', { isOfOthers: true })

/** Returns the names of the bits in a file of this node. */
function readHead(text: string, node: string): readonly string[] {
  const json = jsonOf(text)
  const any = head.safeParse(json)
  if (!any.success) throw ofOthers
  if (any.data.version !== version)
    throw new UnreadableHistory(`it has format ${any.data.version}, and this version of Scout reads format ${version}`)
  const own = ownHead.safeParse(json)
  if (!own.success) throw new UnreadableHistory('line 1 is damaged')
  if (own.data.node !== node) throw new UnreadableHistory(`it is that of node ${own.data.node}`, { isOfOthers: true })
  return own.data.reasons
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Yields whole lines. */
async function* linesIn(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  let length = 0
  for await (const part of text) {
    length += part.length
    const [first = '', ...others] = part.split('\n')
    rest += first
    for (const next of others) {
      yield rest
      rest = next
    }
    if (rest.length > mostLineLength || length > mostLength) throw new UnreadableHistory('it is too large')
  }
  if (rest !== '') throw new UnreadableHistory('it ends in the middle of a line')
}
