import type { IncomingMessage } from 'node:http'

/** Resolves when so many bytes may be sent, or the next ones read. */
export type Pass = (bytes: number) => Promise<void>

/** Reads a body to its end, as its bytes may pass. The time limit on requests ends one without end. */
export async function discard(request: IncomingMessage, pass: Pass): Promise<undefined> {
  const chunks: AsyncIterable<unknown> = request
  for await (const chunk of chunks) await pass(chunk instanceof Uint8Array ? costOf(chunk) : 0)
}

interface Reading {
  readonly mostBytes: number
  readonly pass: Pass
}

/** A piece of a body, such as a byte in a packet of its own, takes as much time and memory as so many bytes in a row. */
const pieceBytes = 256

/** Pieces that a body may have, and one more for each so many bytes. */
const mostPieces = 1024

function costOf({ length }: Uint8Array): number {
  return Math.max(length, pieceBytes)
}

/** Reads a body as text; returns undefined if it is too large. */
export async function readText(request: IncomingMessage, { mostBytes, pass }: Reading): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return undefined
  const parts: Uint8Array[] = []
  let bytes = 0
  const chunks: AsyncIterable<unknown> = request.iterator({ destroyOnReturn: false })
  for await (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array)) continue
    bytes += chunk.length
    if (bytes > mostBytes || parts.length > mostPieces + bytes / pieceBytes) return undefined
    parts.push(chunk)
    await pass(costOf(chunk))
  }
  return Buffer.concat(parts).toString()
}

/** A request has a body if it states a length; those with a transfer encoding are rejected before (RFC 9112 §6). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined
}
