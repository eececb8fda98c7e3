import { execInPod, type Peer, type RemoteProcess } from '@scout/agent/kubernetes'
import { nearest, printable, ScoutError } from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { CommandError, type ExitCode, exitCodes } from '../shell/exit-code.ts'
import { endsWithInput, type Io, startProgress } from '../shell/io.ts'
import { accessOf, answerMs, asking, findScout } from './scout.ts'

/** Name of the container in the chart. */
const container = 'agent'

/** Longest time for the remote probe to print its statistics after Ctrl-C. */
const endingMs = 5_000

/** Maximum number of nodes in an error message. */
const namedNodes = 12

export interface RemoteRun {
  readonly node: string
  readonly flags: ClusterFlags
  /** Command line of the probe, without the name of the program. */
  readonly args: readonly string[]
}

/**
 * Runs scout-probe in the agent's pod on that node, and passes on its output and exit code. The cluster's RBAC decides who may do so.
 * @throws {ScoutError} if that node has no agent
 * @throws {CommandError} if it cannot be run, or the connection broke before it ended
 */
export async function probeFrom({ node, flags, args }: RemoteRun, io: Io): Promise<ExitCode> {
  const { out, err, ended } = io
  const progress = startProgress(err)
  progress.show(`looking for the agent on ${node}`)
  const { access, agents, namespace, oddities } = await accessOf(flags, io)
    .then((access) => findScout(flags, access, io))
    .finally(progress.clear)
  for (const oddity of oddities) err.write(`${printable(oddity)}\n`)
  const { name, state } = agentOn(node, agents)
  const streams = {
    stdout: { output: out, decoder: new TextDecoder() },
    stderr: { output: err, decoder: new TextDecoder() },
  }
  const code = await asking(ended, async () => {
    const remote = await execInPod({
      access,
      pod: { name, namespace, container },
      command: ['env', ...variables(io), 'scout-probe', ...args],
      answerMs,
      signal: ended,
      onOpen() {
        const remark = state === 'ready' ? '' : `, which is ${state}`
        if (!args.includes('--json')) {
          err.write(`${printable(`from ${node}, by pod ${name} in namespace ${namespace}${remark}`)}\n`)
        }
      },
      onOutput(stream, bytes) {
        const { output, decoder } = streams[stream]
        output.write(decoder.decode(bytes, { stream: true }))
      },
    })
    return exitOf(remote, ended).finally(remote.close)
  })
  return exitCodeOf(code, name)
}

/** Returns the agent on a node, preferably a ready one. @throws {ScoutError} */
function agentOn(node: string, agents: readonly Peer[]): Peer {
  const here = agents.filter((agent) => agent.node === node)
  const [agent] = (['ready', 'starting', 'leaving'] as const).flatMap((state) =>
    here.filter((candidate) => candidate.state === state),
  )
  if (agent !== undefined) return agent
  const nodes = [...new Set(agents.map((other) => other.node))].toSorted()
  const near = nearest(node, nodes)
  const others = nodes.length > namedNodes ? ` and ${nodes.length - namedNodes} more` : ''
  const hint = near === undefined || others === '' ? '' : `did you mean ${near}? `
  throw new ScoutError(
    'invalid-option',
    `node ${node} has no agent: ${hint}agents run on ${nodes.slice(0, namedNodes).join(', ')}${others}`,
  )
}

/** The remote probe writes to a pipe; these variables describe the terminal here. */
function variables({ out }: Io): readonly string[] {
  return [
    `${endsWithInput}=1`,
    out.colours.isColorSupported ? 'FORCE_COLOR=1' : 'NO_COLOR=1',
    ...(out.columns === undefined ? [] : [`COLUMNS=${out.columns}`]),
  ]
}

async function exitOf({ write, exited }: RemoteProcess, ended: AbortSignal): Promise<number> {
  let timer: NodeJS.Timeout | undefined
  const overdue = new Promise<never>((_, reject) => {
    const interrupt = () => {
      // The byte that Ctrl-C sends on a terminal.
      write('\x03')
      const seconds = endingMs / 1000
      const sentence = `the remote probe did not stop within ${seconds} s of Ctrl-C: closing the connection ends it`
      timer = setTimeout(() => reject(new CommandError(exitCodes.failed, sentence)), endingMs)
    }
    if (ended.aborted) interrupt()
    else ended.addEventListener('abort', interrupt, { once: true })
  })
  try {
    return await Promise.race([exited, overdue])
  } finally {
    clearTimeout(timer)
  }
}

function exitCodeOf(code: number, pod: string): ExitCode {
  const known = Object.values(exitCodes).find((candidate) => candidate === code)
  if (known !== undefined) return known
  const why =
    code === 127 ? 'its image has no scout-probe' : code === 137 ? 'it was killed' : 'that is not one of its exit codes'
  throw new CommandError(exitCodes.failed, `scout-probe in pod ${pod} ended with exit code ${code}: ${why}`)
}
