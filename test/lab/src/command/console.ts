import { createInterface } from 'node:readline/promises'
import { hintFor } from '@scout/core/settings'
import { LabError } from '../errors.ts'
import { faults } from '../faults/index.ts'
import type { Lab } from '../lab.ts'
import { parseAssignments } from './assignments.ts'
import { catalogue } from './catalogue.ts'
import { statusText } from './status.ts'

type Act = (lab: Lab, words: readonly string[]) => Promise<string>

const acts: Readonly<Record<string, { readonly usage: string; readonly act: Act }>> = {
  fault: { usage: 'fault NAME [key=value...]   inject a fault', act: injectFault },
  heal: { usage: 'heal [ID]                   take back one fault, or all', act: heal },
  status: { usage: 'status                      addresses, services, faults and how often they bit', act: statusText },
  faults: { usage: 'faults                      the catalogue', act: () => Promise.resolve(catalogue(faults)) },
  run: { usage: 'run PLACE COMMAND...        run a command at a place: pod1, node2, router', act: runCommand },
  shell: { usage: 'shell PLACE                 a shell at a place', act: openShell },
  help: { usage: 'help                        this', act: () => Promise.resolve(help()) },
  exit: { usage: 'exit                        take the lab down', act: () => Promise.resolve('') },
}

/** Takes commands for a lab from standard input until it ends or says `exit`. */
export async function converse(lab: Lab): Promise<void> {
  const isTerminal = process.stdin.isTTY
  process.stdout.write(`${await statusText(lab)}${isTerminal ? 'say help for the commands\n' : ''}`)
  for (;;) {
    // A shell takes over the terminal, so each one is followed by a new reader.
    const reader = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: isTerminal,
      prompt: 'lab> ',
    })
    if (isTerminal) reader.prompt()
    let shellPlace: string | undefined
    for await (const line of reader) {
      const words = line.trim().split(/\s+/).filter(Boolean)
      if (words[0] === 'exit') return reader.close()
      if (words[0] === 'shell' && isTerminal) {
        shellPlace = words[1] ?? 'pod1'
        break
      }
      await obey(lab, words)
      if (isTerminal) reader.prompt()
    }
    reader.close()
    if (shellPlace === undefined) return
    await obey(lab, ['shell', shellPlace])
  }
}

async function obey(lab: Lab, [name, ...words]: readonly string[]): Promise<void> {
  if (name === undefined) return
  try {
    const known = acts[name]
    if (known === undefined)
      throw new LabError('usage', `there is no command "${name}": ${hintFor(name, Object.keys(acts))}`)
    process.stdout.write(await known.act(lab, words))
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    process.stderr.write(`${error.message}\n`)
  }
}

async function injectFault(lab: Lab, [name, ...assignments]: readonly string[]): Promise<string> {
  if (name === undefined) throw new LabError('usage', 'say which fault: faults prints the catalogue')
  const { id } = await lab.inject(name, parseAssignments(assignments))
  return `${id}: ${name} is at work, heal ${id} takes it back\n`
}

async function heal(lab: Lab, [id]: readonly string[]): Promise<string> {
  const healed = lab.injections.filter((injection) => id === undefined || injection.id === id)
  if (id !== undefined && healed.length === 0) {
    throw new LabError('usage', `no fault "${id}" is at work: status prints those that are`)
  }
  for (const injection of healed) await injection.heal()
  return healed.map((injection) => `${injection.id}: ${injection.name} is healed\n`).join('')
}

async function runCommand(lab: Lab, [place = '', ...argv]: readonly string[]): Promise<string> {
  if (argv.length === 0) throw new LabError('usage', 'say where and what: run pod1 ping -c 1 10.244.2.10')
  const status = await lab.spawn(place, argv, { stdio: ['ignore', 'inherit', 'inherit'] }).exited
  return status === 0 ? '' : `${argv[0]} ended with status ${status}\n`
}

async function openShell(lab: Lab, [place = 'pod1']: readonly string[]): Promise<string> {
  if (!process.stdin.isTTY) throw new LabError('usage', 'a shell needs a terminal: use run PLACE COMMAND...')
  const env = { ...process.env, PS1: `${place}# ` }
  await lab.spawn(place, ['sh', '-i'], { stdio: 'inherit', env }).exited
  return ''
}

function help(): string {
  return Object.values(acts)
    .map(({ usage }) => `${usage}\n`)
    .join('')
}
