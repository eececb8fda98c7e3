import { fileURLToPath } from 'node:url'
import { helm, kubectl, outcomeOf } from './run.ts'

export const chart = fileURLToPath(new URL('../../../deploy/helm/scout', import.meta.url))
export const manifests = fileURLToPath(new URL('../../../deploy', import.meta.url))

export type Values = Readonly<Record<string, unknown>>

/** Scout in a separate namespace. */
export interface Release {
  readonly namespace: string
  /** Returns when every agent of the new kind is ready. */
  upgrade(values: Values): Promise<void>
  /** Takes away the release and its namespace. */
  remove(): Promise<void>
}

export interface ReleaseOptions {
  readonly namespace: string
  readonly values?: Values
  /** Labels of the namespace. */
  readonly labels?: Readonly<Record<string, string>>
}

/** Installs the chart and waits until all its agents are ready. */
export async function install({ namespace, values = {}, labels = {} }: ReleaseOptions): Promise<Release> {
  await kubectl('create', 'namespace', namespace)
  const settings = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
  if (settings.length > 0) await kubectl('label', 'namespace', namespace, ...settings)
  const upgrade = async (next: Values) => {
    const where = ['--namespace', namespace, '--wait', '--timeout', '90s']
    await helm('upgrade', '--install', 'scout', chart, ...where, ...flagsOf(next))
    await rolledOut(namespace)
  }
  await upgrade(values)
  return {
    namespace,
    upgrade,
    async remove() {
      await outcomeOf('helm', ['uninstall', 'scout', '--namespace', namespace, '--wait', '--timeout', '60s'])
      await kubectl('delete', 'namespace', namespace, '--timeout', '90s')
    },
  }
}

/** As Helm takes them, type and all. */
export function flagsOf(values: Values): readonly string[] {
  return Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`])
}

/** Helm calls a DaemonSet ready when all but the unavailable it may have are; this waits for the last one. */
export function rolledOut(namespace: string, name = 'scout'): Promise<string> {
  return kubectl('--namespace', namespace, 'rollout', 'status', `daemonset/${name}`, '--timeout', '90s')
}
