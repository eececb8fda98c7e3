import { readFileSync } from 'node:fs'
import { ScoutError } from '@scout/core'
import { type Io, tokenIn } from '../shell/io.ts'

/** A server that speaks the HTTP API of Prometheus, and what it requires of a request. */
export interface Access {
  /** URL that paths of the API are appended to, without credentials: messages may show it. */
  readonly server: string
  readonly headers: Readonly<Record<string, string>>
  /** Certificate authority in PEM (default: those of Node). */
  readonly ca: string | undefined
}

export interface AccessChoice {
  readonly prometheus: string
  readonly headers: Readonly<Record<string, string>>
  readonly ca?: string | undefined
}

/** Environment variable with a bearer token, which a command line would show to other users of the machine. */
export const tokenVariable = 'SCOUT_PROMETHEUS_TOKEN'

/** Returns the access that the flags select. No message repeats the URL as written, because it may contain a password. @throws {ScoutError} */
export function accessOf({ prometheus, headers, ca }: AccessChoice, io: Pick<Io, 'environment'>): Access {
  const url = URL.canParse(prometheus) ? new URL(prometheus) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw unusable('--prometheus is not a URL: write --prometheus http://127.0.0.1:9090')
  }
  if (url.search !== '' || url.hash !== '') {
    throw unusable(`--prometheus has a query or fragment: write --prometheus ${serverOf(url)}`)
  }
  const token = tokenIn(io, tokenVariable)
  const hasPassword = url.username !== '' || url.password !== ''
  if (token !== '' && hasPassword) {
    throw unusable(`${tokenVariable} and the user in the URL of --prometheus exclude each other`)
  }
  return {
    server: serverOf(url),
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(hasPassword ? { authorization: basic(url) } : {}),
      ...headers,
    },
    ca: ca === undefined ? undefined : readAuthority(ca),
  }
}

function serverOf({ origin, pathname }: URL): string {
  return `${origin}${pathname.replace(/\/+$/, '')}`
}

/** RFC 7617 §2. */
function basic({ username, password }: URL): string {
  const pair = `${decoded(username)}:${decoded(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // a bare % stands for itself
  }
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ScoutError('invalid-option', `--ca: cannot read the certificate authority: ${why}`, { cause })
  }
}

function unusable(message: string): ScoutError {
  return new ScoutError('invalid-option', message)
}
