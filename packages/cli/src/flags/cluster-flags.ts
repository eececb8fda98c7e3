import { ScoutError } from '@scout/core'
import { Command, Option } from 'commander'
import { z } from 'zod'

const flags = z.object({
  from: z.string().optional(),
  namespace: z.string().optional(),
  service: z.string().optional(),
  kubeconfig: z.string().optional(),
  context: z.string().optional(),
  kubeApi: z.string().optional(),
})

/** Which Scout in which cluster is meant, and from which of its nodes to probe. */
export type ClusterFlags = z.output<typeof flags>

/** Where a command acts: on a cluster, wherever it is told, or here. */
export type Reach = 'cluster' | 'anywhere' | 'here'

/** Adds the flags to the program, which knows them before and after the name of a command. */
export function addClusterFlags(program: Command, reachOf: (command: Command) => Reach): Command {
  for (const option of clusterOptions('anywhere')) program.addOption(option)
  return program.hook('preAction', (_, command) => judge(readClusterFlags(program), reachOf(command)))
}

export function readClusterFlags(program: Command): ClusterFlags {
  return flags.parse(program.opts())
}

/** The command line without these flags, as it is to be run elsewhere. */
export function withoutClusterFlags(argv: readonly string[]): readonly string[] {
  const parser = new Command()
  for (const option of clusterOptions('anywhere')) parser.addOption(option)
  const { operands, unknown } = parser.parseOptions([...argv])
  return [...operands, ...unknown]
}

/** Those that a command of this reach heeds. */
export function clusterOptions(reach: Reach): readonly Option[] {
  const options = [
    new Option('--from <node>', 'probe from the agent on this node of a cluster, not from here'),
    new Option('-n, --namespace <name>', 'namespace of Scout; found unless given'),
    new Option('--service <name>', 'headless service of Scout, where a namespace has several'),
    new Option('--kubeconfig <file>', 'kubeconfig; those of KUBECONFIG or ~/.kube/config unless given'),
    new Option('--context <name>', 'context of the kubeconfig; its current one unless given'),
    // A kubeconfig names a server of its own.
    new Option('--kube-api <url>', 'API server without credentials: that of kubectl proxy').conflicts([
      'kubeconfig',
      'context',
    ]),
  ].map((option) => option.argParser((text: string) => readText(option, text)).helpGroup('Cluster options:'))
  switch (reach) {
    case 'anywhere':
      return options
    case 'cluster':
      return options.slice(1)
    case 'here':
      return []
  }
}

function readText({ long }: Option, text: string): string {
  if (text !== '') return text
  throw new ScoutError('invalid-option', `${long}: its value is empty`)
}

/** @throws {ScoutError} for a flag that the command would not heed. */
function judge({ from, ...others }: ClusterFlags, reach: Reach): void {
  if (from !== undefined && reach !== 'anywhere') {
    throw new ScoutError('invalid-option', '--from goes with a probe: write --from NODE tcp HOST:PORT')
  }
  const [key] = Object.keys(others)
  if (key !== undefined && from === undefined && reach !== 'cluster') {
    const { long = key } = clusterOptions('anywhere').find((option) => option.attributeName() === key) ?? {}
    throw new ScoutError('invalid-option', `${long} says which cluster is meant, but this runs here: add --from NODE`)
  }
}
