import { readFileSync } from 'node:fs'
import { ScoutError } from '../errors.ts'
import { isSystemError } from '../failure.ts'

/** The name servers of a resolver configuration, in order (resolv.conf(5)); empty when the file is not there. */
export function nameServersOf(path: string): readonly string[] {
  return [...readIfThere(path).matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].flatMap(([, address]) =>
    address === undefined ? [] : [address],
  )
}

/**
 * The name server of DNS targets that name none: the one given, or the system's first.
 * @throws {ScoutError} `invalid-target`, when it is asked for and this host has none.
 */
export function nameServerOrSystem(given?: string): () => string {
  return () => {
    const server = given ?? nameServersOf('/etc/resolv.conf')[0]
    if (server !== undefined) return server
    throw new ScoutError(
      'invalid-target',
      'no name server is known, as /etc/resolv.conf names none: write the target as name@server',
    )
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error)) return ''
    throw error
  }
}
