import { mostNameBytes } from '../model/dns-name.ts'

/** Encodes the labels of a name without compression (RFC 1035 §3.1). */
export function encodeName(labels: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([...labels.flatMap((label) => [Uint8Array.of(label.length), label]), Uint8Array.of(0)])
}

/** Returns the offset after a name; undefined if it is malformed or longer than the bytes. Does not follow a pointer. */
export function endOfName(bytes: Uint8Array, offset: number): number | undefined {
  let at = offset
  while (at - offset < mostNameBytes) {
    const length = bytes[at]
    if (length === undefined) return undefined
    if (length === 0) return at + 1
    if (length >= pointer) return at + 1 < bytes.length ? at + 2 : undefined
    if (length > mostLabel) return undefined
    at += 1 + length
  }
  return undefined
}

/** Size of the header, which no pointer may point into. */
export const dnsHeaderBytes = 12

/** First two bits of a pointer, and the largest length of a label; values between are reserved (RFC 1035 §4.1.4, RFC 6891 §5). */
const pointer = 0xc0
const mostLabel = 0x3f

interface Suffix {
  /** Without a final dot; empty for the root. */
  readonly text: string
  /** Length without compression. */
  readonly wireBytes: number
}

const root: Suffix = { text: '', wireBytes: 1 }

/** Reads the names of one message. Reads each of its bytes once, however many names point to it. */
export class NameReader {
  readonly #bytes: Buffer
  readonly #known = new Map<number, Suffix>()

  constructor(bytes: Uint8Array) {
    this.#bytes = bufferOf(bytes)
  }

  /** Returns the name at an offset in zone-file format, without a final dot; undefined if it is malformed. */
  nameAt(offset: number): string | undefined {
    const suffix = this.#suffixAt(offset)
    return suffix === undefined ? undefined : suffix.text === '' ? '.' : suffix.text
  }

  #suffixAt(offset: number): Suffix | undefined {
    const labels: { readonly at: number; readonly end: number }[] = []
    let at = offset
    // Pointers lead to bytes before the name they end (RFC 1035 §4.1.4: "a prior occurrence"), so they cannot form a loop.
    let start = offset
    let suffix = this.#known.get(at)
    while (suffix === undefined) {
      const length = this.#bytes[at]
      if (length === undefined) return undefined
      if (length === 0) suffix = root
      else if (length <= mostLabel) {
        if (at + 1 + length > this.#bytes.length) return undefined
        labels.push({ at, end: at + 1 + length })
        at += 1 + length
      } else {
        const low = this.#bytes[at + 1]
        const target = length < pointer || low === undefined ? start : ((length & mostLabel) << 8) | low
        if (target >= start || target < dnsHeaderBytes) return undefined
        labels.push({ at, end: at })
        at = start = target
      }
      suffix ??= this.#known.get(at)
    }
    return this.#remember(labels, suffix)
  }

  /** Prepends labels, last to first, and remembers the name that begins at each. A pointer prepends nothing. */
  #remember(labels: readonly { readonly at: number; readonly end: number }[], end: Suffix): Suffix | undefined {
    let suffix = end
    for (const label of labels.toReversed()) {
      if (label.end > label.at) {
        const text = escaped(this.#bytes.toString('latin1', label.at + 1, label.end), specialInLabels)
        const wireBytes = suffix.wireBytes + label.end - label.at
        if (wireBytes > mostNameBytes) return undefined
        suffix = { text: suffix.text === '' ? text : `${text}.${suffix.text}`, wireBytes }
      }
      this.#known.set(label.at, suffix)
    }
    return suffix
  }
}

/** Formats a character string with quotes, as in the data of TXT. */
export function characterStringText(bytes: Uint8Array): string {
  return `"${escaped(bufferOf(bytes).toString('latin1'), /[^ -~]|["\\]/)}"`
}

/** What a label needs escapes for: `\.`, `\032` (RFC 1035 §5.1). */
const specialInLabels = /[^!-~]|[.\\"();@$]/

/** Puts a backslash before special characters, and writes those that are not visible as numbers. */
function escaped(text: string, special: RegExp): string {
  if (!special.test(text)) return text
  return Array.from(text, (character) => {
    if (!special.test(character)) return character
    return /[!-~]/.test(character) ? `\\${character}` : `\\${String(character.charCodeAt(0)).padStart(3, '0')}`
  }).join('')
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
