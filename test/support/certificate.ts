import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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

/** The same, valid from the beginning of one year to that of another. */
export function selfSignedFor(
  name: string,
  fromYear: number,
  toYear: number,
): { readonly key: string; readonly cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  const openssl = (command: string) =>
    execFileSync('openssl', command.split(' '), { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    writeFileSync(join(folder, 'index.txt'), '')
    writeFileSync(join(folder, 'ca.conf'), authority(name))
    const key = openssl('genpkey -algorithm ec -pkeyopt ec_paramgen_curve:prime256v1')
    writeFileSync(join(folder, 'key.pem'), key)
    openssl('req -new -key key.pem -subj /CN=scout -out request.pem')
    const years = `-startdate ${fromYear}0101000000Z -enddate ${toYear}0101000000Z`
    openssl(`ca -batch -notext -config ca.conf -selfsign -keyfile key.pem -in request.pem -out cert.pem ${years}`)
    return { key, cert: readFileSync(join(folder, 'cert.pem'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Configuration of openssl-ca(1), which alone takes dates in every version. */
function authority(name: string): string {
  return `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = ${name}
`
}

function block(pem: string, label: string): string {
  const found = new RegExp(`-----BEGIN ${label}-----.*?-----END ${label}-----\n`, 's').exec(pem)
  if (found === null) throw new Error(`openssl printed no ${label}`)
  return found[0]
}
