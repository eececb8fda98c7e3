import { readFileSync } from 'node:fs'
import { isSystemError } from '../failure.ts'

/** The name servers of a resolver configuration, in order (resolv.conf(5)); empty when the file is not there. */
export function nameServersOf(path: string): readonly string[] {
  return [...readIfThere(path).matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].flatMap(([, address]) =>
    address === undefined ? [] : [address],
  )
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error)) return ''
    throw error
  }
}
