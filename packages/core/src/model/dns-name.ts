import { domainToASCII } from 'node:url'

/** Longest name, with its length bytes (RFC 1035 §2.3.4). */
export const mostNameBytes = 255
const mostLabelBytes = 63

/** Labels with a dot between them, and perhaps one at the end. `\.` is not a dot between labels (RFC 1035 §5.1). */
const grammar = /^(?:\\.|[^\\.])+(?:\.(?:\\.|[^\\.])+)*\.?$/su

/**
 * Returns the labels of a name as people write it; undefined if it is not a name. Labels are any bytes (RFC 2181 §11), as RFC 2317 and
 * DNS-SD use them: `0/25.2.0.192.in-addr.arpa`, `Front desk._ipp._tcp.local`. `\.` and `\046` are one byte. A label with letters outside
 * ASCII becomes an A-label (RFC 5891 §4), but stays UTF-8 in the name of a service (RFC 6763 §4.1.3).
 */
export function dnsLabels(name: string): readonly Uint8Array[] | undefined {
  if (name === '.') return []
  // oxlint-disable-next-line no-control-regex -- control characters are what it rejects
  if (!grammar.test(name) || /[\u0000-\u001f\u007f]|:\/\//.test(name)) return undefined
  const texts = name.match(/(?:\\.|[^\\.])+/gsu) ?? []
  const isService = texts.some((text) => text.startsWith('_'))
  const labels = texts.map((text) => labelOf(text, isService))
  const isValid = labels.every(({ length }) => length > 0 && length <= mostLabelBytes)
  return isValid && labels.reduce((sum, { length }) => sum + 1 + length, 1) <= mostNameBytes ? labels : undefined
}

function labelOf(text: string, isService: boolean): Uint8Array {
  const isAscii = !/[^ -~]/.test(text)
  // The conversion returns nothing for a label that no host name may have, which makes the name invalid.
  const ascii = isAscii || isService ? text : domainToASCII(text)
  return Buffer.concat((ascii.match(/\\\d{3}|\\.|[^\\]+/gsu) ?? []).map(bytesOf))
}

function bytesOf(part: string): Uint8Array {
  if (!part.startsWith('\\')) return Buffer.from(part)
  if (part.length < 4) return Buffer.from(part.slice(1))
  const byte = Number(part.slice(1))
  // A byte that does not exist yields a label that is too long.
  return byte > 0xff ? Buffer.alloc(mostLabelBytes + 1) : Buffer.of(byte)
}
