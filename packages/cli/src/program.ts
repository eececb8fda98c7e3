import { readFileSync } from 'node:fs'
import { isProtocol, nearest, printable, probes, ScoutError } from '@scout/core'
import { type Argument, Command, type CommanderError, Help } from 'commander'
import { z } from 'zod'
import type { RemoteRun } from './cluster/remote.ts'
import { addAllCommand } from './commands/all.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addExplainCommand } from './commands/explain.ts'
import { addMeshCommand } from './commands/mesh.ts'
import { addProbeCommand } from './commands/probe.ts'
import { addServeCommand } from './commands/serve.ts'
import {
  addClusterFlags,
  clusterOptions,
  type Reach,
  readClusterFlags,
  withoutClusterFlags,
} from './flags/cluster-flags.ts'
import { CommandError, type ExitCode, exitCodes } from './shell/exit-code.ts'
import { helpExamples, helpSection, type Invocation } from './shell/invocation.ts'
import type { Io } from './shell/io.ts'

/** Runs the command and returns its exit code. A usage error is printed as one sentence on `io.err`. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok
  const program: Command = createProgram({
    io,
    elsewhere() {
      const { from: node, ...flags } = readClusterFlags(program)
      return node === undefined ? undefined : () => probeThere({ node, flags, args: withoutClusterFlags(argv) }, io)
    },
    finish: (finished) => {
      code = finished
    },
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof HelpShown) return error.wasAskedFor ? exitCodes.ok : exitCodes.usage
    if (!(error instanceof ScoutError || error instanceof UsageError || error instanceof CommandError)) throw error
    io.err.write(`${io.name}: ${printable(error.message)}\n`)
    return error instanceof CommandError ? error.exitCode : exitCodes.usage
  }
}

async function probeThere(run: RemoteRun, io: Io): Promise<ExitCode> {
  // Loaded on demand: the Kubernetes client is large.
  const { probeFrom } = await import('./cluster/remote.ts')
  return probeFrom(run, io)
}

/** Width of help if the terminal's size is unknown. */
const usualColumns = 80

function createProgram(invocation: Invocation): Command {
  const { name, out, err } = invocation.io
  const program: Command = new Command(name)
    .description('Probe a network path by hand, with every protocol that Scout supports.')
    .version(version())
    .configureHelp({
      styleTitle: out.colours.bold,
      visibleOptions: (command) => [
        ...new Help().visibleOptions(command),
        ...(command.parent === null ? [] : clusterOptions(reachOf(command))),
      ],
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
    })
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => err.write(text),
      outputError: () => {}, // `run` prints it, in one sentence
      getOutHelpWidth: () => out.columns ?? usualColumns,
      getErrHelpWidth: () => err.columns ?? usualColumns,
      getOutHasColors: () => out.colours.isColorSupported,
      getErrHasColors: () => err.colours.isColorSupported,
    })
    .addHelpText('beforeAll', () => refuseUnknown(program))
    .addHelpText('after', helpSection('Exit codes', exitCodeHelp))
    .addHelpText('after', helpExamples(name, 'tcp 10.244.1.31:8081', '--from node-2 all 10.244.1.31 --skip dns'))
  for (const protocol of Object.keys(probes).filter(isProtocol)) addProbeCommand(program, protocol, invocation)
  addAllCommand(program, invocation)
  addServeCommand(program, invocation)
  addDoctorCommand(program, invocation)
  addMeshCommand(program, invocation)
  addExplainCommand(program, invocation)
  addClusterFlags(program, reachOf)
  for (const command of [program, ...program.commands]) {
    command.exitOverride((error) => {
      throw helpCodes.has(error.code) ? new HelpShown(error) : new UsageError(command, error)
    })
  }
  return program
}

/** Rejects `help` for an unknown command. @throws {ScoutError} */
function refuseUnknown(program: Command): string {
  const [first, second] = program.args
  const wanted = (first === 'help' ? second : first) ?? '-'
  const names = ['help', ...program.commands.map((command) => command.name())]
  if (wanted.startsWith('-') || names.includes(wanted)) return ''
  const near = nearest(wanted, names)
  const hint = near === undefined ? `see ${program.name()} --help` : `did you mean ${near}?`
  throw new ScoutError('invalid-option', `unknown command '${wanted}': ${hint}`)
}

function reachOf(command: Command): Reach {
  switch (command.name()) {
    case 'mesh':
      return 'cluster'
    case 'serve':
    case 'explain':
      return 'here'
    default:
      return 'anywhere'
  }
}

const exitCodeHelp: Readonly<Record<ExitCode, string>> = {
  0: 'all ok',
  1: 'a probe or a link failed, or there is no result',
  2: 'usage error; nothing was sent',
  3: 'not permitted or not supported here',
  4: 'with mesh --wait: the state of the mesh could not be determined',
}

/** Ends the program after it has printed help or its version. */
class HelpShown extends Error {
  override readonly name = 'HelpShown'
  readonly wasAskedFor: boolean

  constructor(cause: CommanderError) {
    super(cause.message, { cause })
    this.wasAskedFor = cause.exitCode === 0
  }
}

const helpCodes: ReadonlySet<string> = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version'])

/** A parser error as one sentence with a hint. */
class UsageError extends Error {
  override readonly name = 'UsageError'

  constructor(command: Command, cause: CommanderError) {
    const [complaint = '', suggestion] = cause.message.replace(/^error: /, '').split('\n')
    const remedy = /\(Did you mean (.*)\?\)/.exec(suggestion ?? '')?.[1]
    const path = command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`
    const hint = remedy === undefined ? `see ${path} --help` : `did you mean ${remedy}?`
    const sentence = complaint.replace(/\.$/, '').replace(/\. [A-Z]/, (start) => start.toLowerCase().replace('.', ','))
    super(`${sentence}: ${hint}`, { cause })
  }
}

function argumentTerm(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}
