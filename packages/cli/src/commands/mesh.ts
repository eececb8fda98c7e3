import { ScoutError } from '@scout/core'
import type { Command } from 'commander'
import { z } from 'zod'
import { readClusterFlags } from '../flags/cluster-flags.ts'
import { addFlags, flagsOf, valuesOf } from '../flags/flags.ts'
import { addPrometheusFlags, readPrometheusFlags } from '../flags/prometheus-flags.ts'
import { tokenVariable } from '../prometheus/access.ts'
import { helpExamples, helpSection, type Invocation } from '../shell/invocation.ts'

const repetitions = z.object({
  waitMs: z
    .number()
    .min(1_000)
    .max(3_600_000)
    .optional()
    .describe('look until all is well, at most for this time, as a gate in CI'),
  failOn: z
    .enum(['open', 'transient'])
    .default('open')
    .describe('incidents that fail the gate at the end of --wait; transient includes those younger than 30s'),
  intervalMs: z
    .number()
    .min(1_000)
    .max(3_600_000)
    .default(5_000)
    .describe('time between the starts of two looks, with --watch'),
})

/** `scout-probe mesh`: the links between the nodes of a cluster, as its agents see them. */
export function addMeshCommand(program: Command, { io, finish }: Invocation): void {
  const flags = flagsOf(repetitions, { intervalMs: '-i' })
  const command = program.command('mesh')
  command
    .summary('show the links between the nodes of a cluster, as measured by its agents')
    .description(
      'show the incidents of a cluster and the links between its nodes, as measured by its agents\n\n' +
        'Reads the agents through the API server: only the API server must be reachable from here. With --prometheus it ' +
        'asks no agent: it reads their metrics in Prometheus, Thanos, Mimir or VictoriaMetrics, at any time in the past with ' +
        '--at. What the metrics do not cover is shown as unknown. Causes of failures that no agent reports are computed from ' +
        'them, and marked.\n\n' +
        'With --wait it exits with 0 as soon as every agent has answered, each check of each link has a result that began ' +
        'after the command did, all of them pass and no incident is open. At the end of the wait it exits with 1 if an ' +
        'incident is open, otherwise with 4, and prints what is missing. Informational incidents do not count.',
    )
    .option('--json', 'print only JSON, one object per line')
    .option('--explain', 'list what each check weighs for the named cause')
    .option('--watch', 'look again and again until Ctrl-C; to a file or as JSON, print only changes of incidents')
  addPrometheusFlags(addFlags(command, flags))
    .addHelpText(
      'after',
      helpSection('Environment variables', {
        SCOUT_CONSOLE_TOKEN: 'token of the agents (their setting console.token)',
        [tokenVariable]: 'bearer token for --prometheus; a user and password go into its URL',
      }),
    )
    .addHelpText(
      'after',
      helpExamples(
        io.name,
        'mesh --watch --context production -n scout',
        "mesh --prometheus https://mimir.example/prometheus --header 'X-Scope-OrgID: shop' --at 2h",
      ),
    )
    .action(async () => {
      const isSet = (option: string) => command.getOptionValue(option) === true
      if (!isSet('watch') && command.getOptionValueSource('interval') === 'cli') {
        throw new ScoutError('invalid-option', '--interval needs --watch')
      }
      const { intervalMs, waitMs, failOn } = repetitions.parse(valuesOf(flags, command))
      if (waitMs === undefined && command.getOptionValueSource('failOn') === 'cli') {
        throw new ScoutError('invalid-option', '--fail-on needs --wait')
      }
      if (waitMs !== undefined && isSet('watch')) {
        throw new ScoutError('invalid-option', '--wait and --watch exclude each other')
      }
      const prometheus = readPrometheusFlags(command, program)
      if (prometheus !== undefined) {
        if (isSet('explain')) {
          throw new ScoutError('invalid-option', '--explain needs the agents: metrics do not contain what checks weigh')
        }
        if (waitMs !== undefined) {
          throw new ScoutError(
            'invalid-option',
            '--wait needs the agents: metrics do not show every check of every link',
          )
        }
        if (isSet('watch') && prometheus.atMs !== undefined) {
          throw new ScoutError(
            'invalid-option',
            '--at is one time, so that --watch would find no changes: omit one of them',
          )
        }
      }
      const format = {
        isJson: isSet('json'),
        isExplained: isSet('explain'),
        intervalMs: isSet('watch') ? intervalMs : undefined,
        gate: waitMs === undefined ? undefined : { waitMs, failOn },
      }
      // Loaded on demand: the Kubernetes client is large.
      const { showMesh } = await import('../cluster/mesh.ts')
      finish(await showMesh({ flags: readClusterFlags(program), prometheus }, format, io))
    })
}
