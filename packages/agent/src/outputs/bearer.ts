import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Returns a function that tells whether an Authorization header has the token (RFC 6750 §2.1). Hashes are compared, so that the time that it
 * takes says nothing about the token. Without a token, anyone may read.
 */
export function createBearerCheck(token: string): (authorization: string | undefined) => boolean {
  if (token === '') return () => true
  const wanted = hashOf(token)
  return (authorization = '') => {
    const [, given] = /^bearer +([^ ]+) *$/i.exec(authorization) ?? []
    return given !== undefined && timingSafeEqual(hashOf(given), wanted)
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
