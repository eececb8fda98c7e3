import { execFileSync } from 'node:child_process'

/** A key, and a certificate signed with it, for the names given (`DNS:localhost`, `IP:127.0.0.1`). */
export function selfSigned(...names: readonly string[]): { readonly key: string; readonly cert: string } {
  const pem = execFileSync(
    'openssl',
    [
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=scout'.split(' '),
      ['-addext', `subjectAltName=${names.join(',')}`, '-keyout', '-', '-out', '-'],
    ].flat(),
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  return { key: block(pem, 'PRIVATE KEY'), cert: block(pem, 'CERTIFICATE') }
}

function block(pem: string, label: string): string {
  const found = new RegExp(`-----BEGIN ${label}-----.*?-----END ${label}-----\n`, 's').exec(pem)
  if (found === null) throw new Error(`openssl printed no ${label}`)
  return found[0]
}
