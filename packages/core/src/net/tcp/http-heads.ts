import { FailureError } from '../../model/failure.ts'

/*
 * Stands before Node's parser and reads where response heads begin and end. It does what the parser cannot: it tells the final response
 * from the informational ones before it (RFC 9110 §15.2), limits the heads together, and removes repetitions of a content-length with
 * the same value, as a recipient may (RFC 9110 §8.6).
 */

/** Limit of all response heads together. */
export const mostHeadBytes = 256 << 10

export interface HeadsListener {
  /** The first byte of a response arrived, which may be an informational one. */
  onFirstByte(): void
  /** That response is the final one, or not HTTP. */
  onFinal(): void
}

export interface Heads {
  /**
   * Returns the bytes for the parser, which informational responses are no part of.
   * @throws {FailureError} bad-reply
   */
  read(bytes: Buffer): Buffer
  /** Returns the head that the end of the connection left incomplete. */
  rest(): Buffer
}

const none = Buffer.alloc(0)
const statusBytes = 'HTTP/1.1 200'.length

/** Reads the response heads that `host` sends over one connection. */
export function readHeads(host: string, { onFirstByte, onFinal }: HeadsListener): Heads {
  let kind: 'unknown' | 'informational' | 'final' = 'unknown'
  let isPast = false
  let totalBytes = 0
  let parts: Buffer[] = []
  /** The first bytes of this head, up to its status. */
  let start = ''
  /** Its last two bytes, where its end may have begun. */
  let tail = none

  const taken = () => {
    const head = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    parts = []
    start = ''
    tail = none
    kind = 'unknown'
    return head ?? none
  }

  const count = (size: number) => {
    totalBytes += size
    if (totalBytes <= mostHeadBytes) return
    throw new FailureError(
      'bad-reply',
      `${host} sent more than ${mostHeadBytes >> 10} KiB before the end of the response headers`,
    )
  }

  const add = (part: Buffer) => {
    count(part.length)
    if (parts.length === 0) onFirstByte()
    parts.push(part)
    tail = Buffer.concat([tail, part.subarray(-2)]).subarray(-2)
    start += part.toString('latin1', 0, statusBytes - start.length)
  }

  /** Determines the kind of response. */
  const decide = (): typeof kind => {
    const status = /^HTTP\/\d\.\d (\d{3})/.exec(start)?.[1]
    if (status?.startsWith('0'))
      throw new FailureError('bad-reply', `${host} answered with status ${status}, which HTTP does not have`)
    if (status?.startsWith('1') && status !== '101') return 'informational'
    onFinal()
    return 'final'
  }

  return {
    read(bytes) {
      let unread = bytes
      while (!isPast) {
        // Empty lines may precede a response (RFC 9112 §2.2).
        if (parts.length === 0) {
          const begin = beginOfHead(unread)
          count(begin)
          unread = unread.subarray(begin)
        }
        if (unread.length === 0) return none
        const from = unread
        const end = endOfHead(tail, unread)
        add(unread.subarray(0, end))
        unread = unread.subarray(end ?? unread.length)
        const isHttp = 'HTTP/'.startsWith(start.slice(0, 5))
        if (kind === 'unknown' && (start.length === statusBytes || end !== undefined || !isHttp)) kind = decide()
        if (end === undefined && isHttp) return none
        isPast = kind === 'final'
        const isWhole = parts.length === 1
        const head = taken()
        if (!isPast) continue
        const mended = isHttp ? withOneLength(head) : head
        return isWhole && mended === head ? from : Buffer.concat([mended, unread])
      }
      return unread
    },
    rest: taken,
  }
}

/** Returns the offset behind empty lines. */
function beginOfHead(bytes: Buffer): number {
  const begin = bytes.findIndex((byte) => byte !== 13 && byte !== 10)
  return begin < 0 ? bytes.length : begin
}

/** Returns the offset in `bytes` behind the empty line that ends a head. Its first line end may be in `tail`. */
function endOfHead(tail: Buffer, bytes: Buffer): number | undefined {
  const both = tail.length === 0 ? bytes : Buffer.concat([tail, bytes])
  for (let line = both.indexOf(10); line >= 0; line = both.indexOf(10, line + 1)) {
    if (both[line + 1] === 10) return line + 2 - tail.length
    if (both[line + 1] === 13 && both[line + 2] === 10) return line + 3 - tail.length
  }
  return undefined
}

/** Removes repetitions of a content-length. Leaves lengths that differ, because the parser rejects them. */
function withOneLength(head: Buffer): Buffer {
  const text = head.toString('latin1')
  const fields = [...text.matchAll(/^content-length[ \t]*:(.*)\r?\n/gim)]
  const lengths = fields.flatMap(([, values = '']) => values.split(',')).map((value) => value.trim())
  const [length = ''] = lengths
  if (lengths.length < 2 || !/^\d+$/.test(length) || lengths.some((other) => other !== length)) return head
  const index = text.search(/^content-length/im)
  const others = text.replaceAll(/^content-length[ \t]*:.*\r?\n/gim, '')
  return Buffer.from(`${others.slice(0, index)}content-length: ${length}\r\n${others.slice(index)}`, 'latin1')
}
