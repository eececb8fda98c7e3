#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { parseAssignments } from './command/assignments.ts'
import { bench } from './command/bench.ts'
import { catalogue, catalogueMarkdown } from './command/catalogue.ts'
import { converse } from './command/console.ts'
import { timed } from './command/progress.ts'
import { LabError } from './errors.ts'
import { faults, findFault } from './faults/index.ts'
import { specFor } from './faults/needs.ts'
import { planFault } from './faults/plan.ts'
import { type Lab, openLab } from './lab.ts'
import { describeOptions } from './options.ts'
import { type LabSpecInput, labSpecSchema, parseLabSpec } from './spec.ts'
import { buildTopology } from './topology.ts'

const statusOf = { failed: 1, usage: 2, unsupported: 3 } as const

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : statusOf.usage
  } else if (error instanceof LabError) {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = statusOf[error.code]
  } else {
    throw error
  }
}

async function main(words: readonly string[]): Promise<number> {
  // What follows -- is somebody else's command line, options and all.
  const end = words.indexOf('--')
  const command = end < 0 ? [] : words.slice(end + 1)
  let status = 0
  const program = new Command('lab')
    .description('a cluster of network namespaces on this machine, with faults injected for real')
    .exitOverride()
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  npm run lab -- up --nodes 3 --network vxlan',
        '  npm run lab -- run mtu-blackhole size=1400 -- curl -m 2 http://10.244.2.10:8081/bytes/100000',
      ].join('\n'),
    )
  labOptions(program.command('up').description('build a lab and take commands for it')).action(
    async (options: object) => {
      await withLab(options, async (lab) => {
        await converse(lab)
      })
    },
  )
  labOptions(
    program
      .command('run <fault> [parameters...]')
      .description('build a lab, inject a fault, run a command in pod1, and end with its exit status')
      .usage('<fault> [key=value...] [options] -- <command...>'),
  ).action(async (name: string, assignments: readonly string[], options: object) => {
    const spec = { ...specFor(findFault(name)), ...options }
    const input = parseAssignments(assignments)
    planFault(buildTopology(spec), [name, input])
    if (command.length === 0) throw new LabError('usage', 'say after -- which command to run in pod1')
    await withLab(spec, async (lab) => {
      const injection = await timed(`injecting ${name}`, () => lab.inject(name, input))
      status = await lab.spawn('pod1', command, { stdio: 'inherit' }).exited
      for (const line of [`${name} bit ${await injection.hits()} times`, ...(await injection.report())]) {
        process.stderr.write(`${line}\n`)
      }
    })
  })
  program
    .command('faults')
    .description('print the catalogue')
    .option('--markdown', 'as a table for the README')
    .action(({ markdown = false }: { readonly markdown?: boolean }) => {
      process.stdout.write(markdown ? catalogueMarkdown(faults) : catalogue(faults))
    })
  program
    .command('bench')
    .description('measure building, taking down, memory, and the exactness of delays')
    .action(async () => {
      for await (const line of bench()) process.stdout.write(`${line}\n`)
    })
  await program.parseAsync(end < 0 ? words : words.slice(0, end), { from: 'user' })
  return status
}

function labOptions(command: Command): Command {
  for (const { name, description, defaultText, choices } of describeOptions(labSpecSchema)) {
    if (name === 'services') continue
    const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const hint = choices.length > 0 ? `${choices.join(', ')}; ` : ''
    command.option(
      `--${flag} <${choices.length > 0 ? 'kind' : 'number'}>`,
      `${description} (${hint}default ${defaultText})`,
    )
  }
  return command
}

async function withLab(spec: LabSpecInput, use: (lab: Lab) => Promise<void>): Promise<void> {
  // Mistakes are reported before anything else.
  parseLabSpec(spec)
  const lab = await timed('building the lab', () => openLab(spec))
  try {
    await timed('starting the pods', () => lab.startWorkload())
    await use(lab)
  } finally {
    await timed('taking it down', () => lab.close())
  }
}
