import { fileURLToPath } from 'node:url'
import type { Incident as FullIncident, incidentObject } from '@scout/core'
import { outcomeOf } from './run.ts'

const program = fileURLToPath(new URL('../../../packages/cli/dist/main.js', import.meta.url))

export type Incident = ReturnType<typeof incidentObject<FullIncident>>

/** Reads the incidents that are not closed, as anybody with a kubeconfig does. */
export async function openIncidents(namespace: string): Promise<readonly Incident[]> {
  const { stdout, stderr } = await outcomeOf('node', [program, 'mesh', '--namespace', namespace, '--json'])
  const objects = stdout
    .split('\n')
    .filter(Boolean)
    .map((line): { readonly kind: string } => JSON.parse(line))
  if (objects.length === 0) throw new Error(`scout-probe mesh prints nothing: ${stderr.trim()}`)
  return objects.filter(isIncident).filter(({ state }) => state !== 'closed')
}

function isIncident(object: { readonly kind: string }): object is Incident {
  return object.kind === 'incident'
}
