import type { Command } from 'commander'
import { readClusterFlags } from '../flags/cluster-flags.ts'
import { helpExamples, type Invocation } from '../shell/invocation.ts'

/** `scout-probe mesh`: the links between the nodes of a cluster, as its agents see them. */
export function addMeshCommand(program: Command, { io, finish }: Invocation): void {
  const command = program.command('mesh')
  command
    .summary('show the links between the nodes of a cluster, as measured by its agents')
    .description(
      'show the links between the nodes of a cluster, as measured by its agents\n\n' +
        'Reads the agents through the API server: only the API server must be reachable from here.',
    )
    .option('--json', 'print only JSON, one object per line')
    .addHelpText('after', helpExamples(io.name, 'mesh', 'mesh --context production -n scout'))
    .action(async () => {
      // Loaded on demand: the Kubernetes client is large.
      const { showMesh } = await import('../cluster/mesh.ts')
      const isJson = command.getOptionValue('json') === true
      finish(await showMesh(readClusterFlags(program), isJson, io))
    })
}
