import { createHmac, timingSafeEqual } from 'node:crypto'

/** A text that agents send each other, with its signature as it arrived. */
interface Signed {
  readonly text: string
  readonly signature: string | null
}

/** Returns the HMAC of a text (RFC 2104, with SHA-256) in hexadecimal; empty without a key. The text must say what it is for. */
export function signatureOf(text: string, key: string): string {
  return key === '' ? '' : createHmac('sha256', key).update(text).digest('hex')
}

/** Whether a text is signed with the key; any is, without a key. */
export function isSigned({ text, signature }: Signed, key: string): boolean {
  if (key === '') return true
  const wanted = Buffer.from(signatureOf(text, key), 'hex')
  const given = Buffer.from(signature ?? '', 'hex')
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
