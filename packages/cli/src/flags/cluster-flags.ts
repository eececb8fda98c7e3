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

/** Selects a Scout in a cluster, and the node to probe from. */
export type ClusterFlags = z.output<typeof flags>

/** Where a command runs: on a cluster, anywhere, or only on this machine. */
export type Reach = 'cluster' | 'anywhere' | 'here'

/** Adds the flags to the program, which accepts them before and after the command name. */
export function addClusterFlags(program: Command, reachOf: (command: Command) => Reach): Command {
  for (const option of clusterOptions('anywhere')) program.addOption(option)
  return program.hook('preAction', (_, command) => judge(readClusterFlags(program), reachOf(command)))
}

export function readClusterFlags(program: Command): ClusterFlags {
  return flags.parse(program.opts())
}

/** Returns the command line without these flags, for running it remotely. */
export function withoutClusterFlags(argv: readonly string[]): readonly string[] {
  const parser = new Command()
  for (const option of clusterOptions('anywhere')) parser.addOption(option)
  const { operands, unknown } = parser.parseOptions([...argv])
  return [...operands, ...unknown]
}

/** Returns the flags that affect a command of this reach. */
export function clusterOptions(reach: Reach): readonly Option[] {
  const options = [
    new Option('--from <node>', 'probe from the agent on this cluster node instead of from here'),
    new Option('-n, --namespace <name>', 'namespace of Scout (default: found in the cluster)'),
    new Option('--service <name>', 'headless Service of Scout; required if a namespace has several'),
    new Option('--kubeconfig <file>', 'kubeconfig file (default: KUBECONFIG or ~/.kube/config)'),
    new Option('--context <name>', 'context of the kubeconfig (default: the current one)'),
    // A kubeconfig already names a server.
    new Option('--kube-api <url>', 'API server that needs no credentials, such as kubectl proxy').conflicts([
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

/** @throws {ScoutError} for a flag that the command would ignore */
function judge({ from, ...others }: ClusterFlags, reach: Reach): void {
  if (from !== undefined && reach !== 'anywhere') {
    throw new ScoutError('invalid-option', '--from needs a probe: write --from NODE tcp HOST:PORT')
  }
  const [key] = Object.keys(others)
  if (key !== undefined && from === undefined && reach !== 'cluster') {
    const { long = key } = clusterOptions('anywhere').find((option) => option.attributeName() === key) ?? {}
    throw new ScoutError(
      'invalid-option',
      `${long} selects a cluster, but this command runs on this machine: add --from NODE`,
    )
  }
}
