import { ScoutError } from '@scout/core'
import type { Command } from 'commander'
import { z } from 'zod'
import { readClusterFlags } from '../flags/cluster-flags.ts'
import { addFlags, flagsOf, valuesOf } from '../flags/flags.ts'
import { helpExamples, type Invocation } from '../shell/invocation.ts'

const repetition = z.object({
  intervalMs: z
    .number()
    .min(1_000)
    .max(3_600_000)
    .default(5_000)
    .describe('time between the starts of two looks, with --watch'),
})

/** `scout-probe mesh`: the links between the nodes of a cluster, as its agents see them. */
export function addMeshCommand(program: Command, { io, finish }: Invocation): void {
  const flags = flagsOf(repetition, { intervalMs: '-i' })
  const command = program.command('mesh')
  command
    .summary('show the links between the nodes of a cluster, as measured by its agents')
    .description(
      'show the incidents of a cluster and the links between its nodes, as measured by its agents\n\n' +
        'Reads the agents through the API server: only the API server must be reachable from here.',
    )
    .option('--json', 'print only JSON, one object per line')
    .option('--explain', 'list what each check weighs for the named cause')
    .option('--watch', 'look again and again until Ctrl-C; to a file or as JSON, print only changes of incidents')
  addFlags(command, flags)
    .addHelpText('after', helpExamples(io.name, 'mesh', 'mesh --watch --context production -n scout'))
    .action(async () => {
      const isSet = (option: string) => command.getOptionValue(option) === true
      if (!isSet('watch') && command.getOptionValueSource('interval') === 'cli') {
        throw new ScoutError('invalid-option', '--interval needs --watch')
      }
      const { intervalMs } = repetition.parse(valuesOf(flags, command))
      const format = {
        isJson: isSet('json'),
        isExplained: isSet('explain'),
        intervalMs: isSet('watch') ? intervalMs : undefined,
      }
      // Loaded on demand: the Kubernetes client is large.
      const { showMesh } = await import('../cluster/mesh.ts')
      finish(await showMesh(readClusterFlags(program), format, io))
    })
}
