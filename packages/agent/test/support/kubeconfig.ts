import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Content of a kubeconfig: one cluster, one user, and contexts of these names. */
export interface Written {
  readonly server: string
  readonly user?: object
  /** Certificate of the authority to trust, in PEM. */
  readonly ca?: string | undefined
  readonly contexts?: readonly string[]
}

/** Writes a kubeconfig that is removed after the test; returns its path. */
export function writeKubeconfig(written: Written): string {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'config')
  overwriteKubeconfig(path, written)
  return path
}

export function overwriteKubeconfig(path: string, { server, user = {}, ca, contexts = ['here'] }: Written): void {
  const [current] = contexts
  const authority = ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  writeFileSync(
    path,
    JSON.stringify({
      clusters: [{ name: 'cluster', cluster: { server, ...authority } }],
      users: [{ name: 'user', user }],
      contexts: contexts.map((name) => ({ name, context: { cluster: 'cluster', user: 'user' } })),
      ...(current === undefined ? {} : { 'current-context': current }),
    }),
  )
}
