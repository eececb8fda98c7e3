import type { Writable } from 'node:stream'
import type { Blocks } from './renderings.ts'

/** Documents that are being sent, each of which takes memory until its slowest reader has it. */
export interface Sending {
  /** Adds a reader, until it is closed. Beyond the limit, the readers of the oldest documents lose their connection. */
  add(document: Blocks, reader: Writable): void
}

/** Creates the limit on bytes of different documents; the newest may be larger. `onDrop` is called for each reader that is dropped. */
export function createSending(mostBytes: number, onDrop: () => void): Sending {
  /** In the order of their first readers. */
  const readers = new Map<Blocks, Set<Writable>>()
  let bytes = 0

  const leave = (document: Blocks, reader: Writable) => {
    const others = readers.get(document)
    if (others?.delete(reader) !== true || others.size > 0) return
    readers.delete(document)
    bytes -= bytesOf(document)
  }

  return {
    add(document, reader) {
      // It closed its connection while the document was made, and closes only once.
      if (reader.destroyed) return
      const others = readers.get(document)
      if (others === undefined) bytes += bytesOf(document)
      readers.set(document, (others ?? new Set()).add(reader))
      reader.once('close', () => leave(document, reader))
      for (const [old, slow] of readers) {
        if (bytes <= mostBytes || old === document) return
        for (const one of slow) {
          onDrop()
          leave(old, one)
          one.destroy()
        }
      }
    },
  }
}

function bytesOf(document: Blocks): number {
  return document.reduce((sum, { length }) => sum + length, 0)
}
