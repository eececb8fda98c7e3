import { createHash } from 'node:crypto'
import type { Blocks } from './renderings.ts'

/**
 * Returns a function that makes the ETag of a document, once (RFC 9110 §8.8.3). It is a weak one: documents that differ only in when they were
 * taken have the same, as have their compressed forms.
 */
export function createTags(): (blocks: Blocks) => string {
  const known = new WeakMap<Blocks, string>()
  return (blocks) => {
    const tag = known.get(blocks) ?? tagOf(blocks)
    known.set(blocks, tag)
    return tag
  }
}

const taken = /^\{"takenAtMs":[\d.]+,/

function tagOf([first = Buffer.alloc(0), ...rest]: Blocks): string {
  const skipped = taken.exec(first.toString('latin1', 0, 64))?.[0].length ?? 0
  const hash = createHash('sha256').update(first.subarray(skipped))
  for (const block of rest) hash.update(block)
  return `W/"${hash.digest('base64url').slice(0, 22)}"`
}

/** Whether an If-None-Match header names the tag (RFC 9110 §13.1.2, which compares weakly). */
export function isNamed(tag: string, header: string | undefined): boolean {
  return header !== undefined && header.split(',').some((one) => one.trim() === '*' || opaque(one) === opaque(tag))
}

function opaque(tag: string): string {
  return tag.trim().replace(/^W\//, '')
}
