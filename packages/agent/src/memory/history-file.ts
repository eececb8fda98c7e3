import { constants, createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { latestMs, type Row } from '@scout/core'
import { headLine, linesOf, markOf, readHistories, UnreadableHistory } from './history-format.ts'
import type { Memory } from './memory.ts'
import type { KeptHistory } from './series.ts'

/*
 * Keeps the history of a memory in a file, so that a restart does not lose it. Once a minute, and at the end, what has changed is appended.
 * When the file has grown to twice its size, it is rewritten beside the old one, which it then replaces. So the file is whole at any moment,
 * except for what was being appended when the power failed; reading takes what comes before.
 *
 * A disk that is full or hangs delays this alone, apart from the start and the stop of the agent, which wait for a bounded time.
 */

export interface HistoryFile {
  readonly report: NonNullable<Row['history']>
  /** Puts what the file has into the memory, and writes from then on. Never rejects. */
  start(): Promise<void>
  /** Writes a last time. Never rejects. */
  stop(): Promise<void>
}

export interface HistoryFileOptions {
  readonly path: string
  /** Node of the agent: the histories of another are not its own. */
  readonly node: string
  readonly memory: Pick<Memory, 'histories' | 'restore'>
  /** Called with what is wrong with the file when that begins, and with undefined once it is written again. */
  readonly onTrouble: (trouble: string | undefined) => void
  readonly everyMs?: number
}

/** How long the agent waits for the file when it starts, and when it stops. */
const startMostMs = 20_000
const stopMostMs = 5_000

/** Bytes at the end of a damaged file in which its mark is looked for: what is appended at once has far fewer. */
const markedBytes = 1 << 20

/** Growth that no rewriting is worth. */
const spareBytes = 1 << 20

export function createHistoryFile(options: HistoryFileOptions): HistoryFile {
  const { path, node, memory, onTrouble, everyMs = 60_000 } = options
  const writes = { written: 0, failed: 0 }
  const mark = markOf(node)
  const written = new WeakSet<KeptHistory['failures']>()
  let trouble: string | undefined
  let isOfOthers = false
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  /** The file as this process left it. */
  let left: { readonly bytes: number; readonly wholeBytes: number; readonly atMs: number } | undefined

  const troubled = (now: string | undefined) => {
    const isNews = (trouble === undefined) !== (now === undefined)
    trouble = now
    if (isNews) onTrouble(now)
  }

  const read = async (into: Map<string, KeptHistory>) => {
    try {
      await readFile(path, { node, into })
    } catch (error) {
      // What cannot be read at all may be anything.
      const isForeign = error instanceof UnreadableHistory ? error.isOfOthers : into.size === 0
      const aside = isForeign && (await isMarked(path, node)) ? await setAside(path) : undefined
      isOfOthers = isForeign && aside?.ok !== true
      if (aside !== undefined) {
        const what = `cannot use the history in ${path}, because its beginning is damaged; the agent starts without it`
        return troubled(
          aside.ok
            ? `${what} and begins a new one; the old one is now ${aside.path}`
            : `${what} and keeps none: ${aside.message}; remove that file`,
        )
      }
      const what = `cannot use the history in ${path}: ${messageOf(error)}`
      const kept = into.size === 0 ? 'the agent starts without it' : 'the agent starts with what comes before'
      troubled(
        isOfOthers
          ? `${what}; the agent starts without it and leaves the file alone: set historyFile to a file of this agent, or remove that one`
          : `${what}; ${kept} and replaces the file`,
      )
    }
  }

  const write = async () => {
    const known = left
    left = undefined
    const atMs = Date.now()
    // After a step back of the clock, slots that were written are gone.
    const isWhole =
      known === undefined || known.bytes > 2 * known.wholeBytes + spareBytes || atMs + latestMs < known.atMs
    try {
      const appended = isWhole
        ? undefined
        : await append(path, {
            from: known.bytes,
            mark,
            lines: linesOf(memory.histories, { which: 'changed', written }),
          })
      const bytes =
        appended ??
        (await replace(path, mark, [[headLine(node)], linesOf(memory.histories, { which: 'all', written })]))
      left = { bytes, atMs, wholeBytes: appended === undefined ? bytes : (known?.wholeBytes ?? bytes) }
      writes.written++
      troubled(undefined)
    } catch (error) {
      writes.failed++
      troubled(
        `cannot keep the history in ${path}: ${messageOf(error)}; it is tried again every minute, and a restart loses what is not written`,
      )
    }
  }

  const writeNext = () => {
    if (!isOfOthers) writing = writing.then(write)
    return writing
  }

  return {
    get report() {
      return { path, bytes: left?.bytes ?? 0, writtenAtMs: left?.atMs, writes: { ...writes }, trouble }
    },
    async start() {
      const restored = new Map<string, KeptHistory>()
      const isLate = await Promise.race([read(restored), sleep(startMostMs, true, { ref: false })])
      if (isLate === true) {
        isOfOthers = true
        troubled(
          `cannot use the history in ${path}: reading takes longer than ${startMostMs / 1000} s; the agent runs without it`,
        )
        return
      }
      memory.restore(restored.values(), performance.now())
      if (isStopped) return
      timer = setInterval(() => void writeNext(), everyMs).unref()
    },
    async stop() {
      isStopped = true
      if (timer === undefined) return
      clearInterval(timer)
      await Promise.race([writeNext(), sleep(stopMostMs, undefined, { ref: false })])
    },
  }
}

async function readFile(path: string, options: Parameters<typeof readHistories>[1]): Promise<void> {
  const kind = await stat(path).catch(undefinedIfMissing)
  if (kind === undefined) return
  // Writing replaces it, which must not happen to a device, and reading a pipe would wait.
  if (!kind.isFile()) throw new UnreadableHistory('it is not a regular file', { isOfOthers: true })
  if (kind.size === 0) return
  const source = createReadStream(path)
  const text = createGunzip({ chunkSize: 64 << 10 }).setEncoding('utf8')
  source.once('error', (error) => text.destroy(error))
  try {
    await readHistories(source.pipe(text), options)
  } finally {
    source.destroy()
  }
}

/** Whether a file is marked as the history of a node. */
async function isMarked(path: string, node: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false
    const file = await open(path)
    try {
      const { size } = await file.stat()
      const length = Math.min(size, markedBytes)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
      return buffer.subarray(0, bytesRead).includes(markOf(node))
    } finally {
      await file.close()
    }
  } catch {
    return false // what cannot be read is not touched
  }
}

type SetAside = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly message: string }

/** Renames a file, in the place of one that was set aside before. */
async function setAside(path: string): Promise<SetAside> {
  const aside = `${path}.damaged`
  try {
    await rename(path, aside)
    return { ok: true, path: aside }
  } catch (error) {
    return { ok: false, message: messageOf(error) }
  }
}

/** Appends lines. Resolves to the size of the file; to undefined if somebody else has changed it. */
async function append(
  path: string,
  { from, mark, lines }: { readonly from: number; readonly mark: Buffer; readonly lines: Iterable<string> },
): Promise<number | undefined> {
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND).catch(undefinedIfMissing)
  if (file === undefined) return undefined
  try {
    if ((await file.stat()).size !== from) return undefined
    try {
      const bytes = from + (await writeLines(file, mark, [lines]))
      return (await file.stat()).size === bytes ? bytes : undefined
    } catch (error) {
      await file.truncate(from)
      throw error
    }
  } finally {
    await file.close()
  }
}

/** Writes a file beside the old one, which it replaces. Resolves to its size. */
async function replace(path: string, mark: Buffer, members: readonly Iterable<string>[]): Promise<number> {
  const aside = `${path}.new`
  try {
    // What is there may be a link to a file of somebody else.
    await rm(aside, { force: true })
    const file = await open(aside, 'wx', 0o600)
    try {
      const bytes = await writeLines(file, mark, members)
      await rename(aside, path)
      return bytes
    } finally {
      await file.close()
    }
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {}) // the disk may be read-only, which the error says
    throw error
  }
}

/** Writes lines, each list as one member, then the mark. Resolves to the number of bytes, once they are on the disk. */
async function writeLines(file: FileHandle, mark: Buffer, members: readonly Iterable<string>[]): Promise<number> {
  let bytes = mark.length
  for (const lines of members) {
    // The fastest level: what takes space is packed already.
    await pipeline(Readable.from(lines), createGzip({ level: 1 }), async (parts: AsyncIterable<Buffer>) => {
      for await (const part of parts) {
        await file.appendFile(part)
        bytes += part.length
      }
    })
  }
  await file.appendFile(mark)
  await file.sync()
  return bytes
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
  throw error
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isOfZlib = 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')
  return isOfZlib ? `it is damaged (${error.message})` : error.message
}
