import { awaited, type Cause, causes, nearest, proofs, ScoutError, unexplained } from '@scout/core'
import type { Command } from 'commander'
import { type Column, renderTable } from '../render/table.ts'
import { fold } from '../render/words.ts'
import { exitCodes } from '../shell/exit-code.ts'
import { helpExamples, type Invocation } from '../shell/invocation.ts'
import type { Output } from '../shell/io.ts'

/** Adds `scout-probe explain [CAUSE]`, which shows what a cause means, or lists all of them. */
export function addExplainCommand(program: Command, { io, finish }: Invocation): void {
  program
    .command('explain')
    .summary('show what a cause means, its usual reasons and what to do, or list all causes')
    .description(
      'show what a cause means, its usual reasons and what to do, or list all causes\n\n' +
        'Every incident of scout-probe mesh has one of these names.',
    )
    .argument('[cause]', 'name of a cause; without it, all are listed')
    .addHelpText('after', helpExamples(io.name, 'explain', 'explain mtu-black-hole'))
    .action((name: string | undefined) => {
      io.out.write(name === undefined ? listOf(all, io.out) : textOf(causeNamed(name), io.out))
      finish(exitCodes.ok)
    })
}

const all: readonly Cause[] = [...causes, unexplained]

/** @throws {ScoutError} */
function causeNamed(name: string): Cause {
  const found = all.find((cause) => cause.name === name)
  if (found !== undefined) return found
  const near = nearest(
    name,
    all.map((cause) => cause.name),
  )
  const hint = near === undefined ? 'scout-probe explain lists all causes' : `did you mean ${near}?`
  throw new ScoutError('invalid-option', `unknown cause '${name}': ${hint}`)
}

const columns: readonly Column[] = [
  { title: 'CAUSE', align: 'left' },
  { title: 'SEVERITY', align: 'left' },
  { title: '', align: 'left' },
]

function listOf(some: readonly Cause[], out: Output): string {
  const rows = some.map(({ name, severity, means }) => [{ text: name }, { text: severity }, { text: means }])
  return renderTable(columns, rows, out.columns)
}

/** Returns a cause as a page of text, folded to the width of the terminal. */
function textOf(cause: Cause, out: Output): string {
  const { name, severity, means, shows, usually, remedy, waitsFor, proofs: collected = [] } = cause
  const { bold } = out.colours
  const width = out.columns ?? Number.POSITIVE_INFINITY
  const paragraph = (text: string, indent = '  ') =>
    fold(`  ${text}`, width, indent)
      .map((line) => `${line}\n`)
      .join('')
  return [
    `${bold(name)}, ${severity}\n`,
    paragraph(means),
    `\n${bold('Shows')}\n`,
    paragraph(shows),
    ...(waitsFor === undefined ? [] : [paragraph(`Not named yet: it waits for ${awaited[waitsFor]}.`)]),
    ...collected.map((proof) => paragraph(`Agents ${proofs[proof].summary}.`)),
    `\n${bold('Usual reasons')}\n`,
    ...usually.map((reason) => paragraph(`- ${reason}`, '    ')),
    `\n${bold('What to do')}\n`,
    paragraph(remedy),
  ].join('')
}
