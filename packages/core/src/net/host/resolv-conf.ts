import { readFileSync } from 'node:fs'
import { isSystemError } from '../../model/failure.ts'

/** The name server of DNS targets that name none: the one given, or else the system's first, looked up anew at each call. */
export function nameServerOrSystem(given?: string): () => string {
  return () => given ?? firstNameServer('/etc/resolv.conf')
}

/** Where none is named, and where there is no file, it is this host (resolv.conf(5)). */
export function firstNameServer(path: string): string {
  return /^[ \t]*nameserver[ \t]+(\S+)/m.exec(readIfThere(path))?.[1] ?? '127.0.0.1'
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isSystemError(error)) return ''
    throw error
  }
}
