import { describeMeans, type ProcessMeans } from '@scout/core'
import type { Command } from 'commander'
import { type Column, renderTable } from '../render/table.ts'
import { exitCodes } from '../shell/exit-code.ts'
import { helpExamples, type Invocation } from '../shell/invocation.ts'
import type { Output } from '../shell/io.ts'

/** Adds `scout-probe doctor`, which shows the privileges of this process and the clocks of each probe. */
export function addDoctorCommand(program: Command, { io, elsewhere, finish }: Invocation): void {
  const command = program
    .command('doctor')
    .summary('show the privileges of this process and how well it can measure')
    .description(
      'show the privileges of this process, how each probe is sent and timed here, and how to improve that\n\n' +
        'Each ability is tested by briefly using it. Nothing is sent.',
    )
    .option('--json', 'print only one JSON object')
    .addHelpText('after', helpExamples(io.name, 'doctor', 'doctor --json'))
    .action(async () => {
      const there = elsewhere()
      if (there !== undefined) return finish(await there())
      const diagnosis = describeMeans()
      const isJson = command.getOptionValue('json') === true
      io.out.write(isJson ? `${JSON.stringify(diagnosis)}\n` : renderProcessMeans(diagnosis, io.out))
      finish(diagnosis.probes.some(({ obstacle }) => obstacle !== undefined) ? exitCodes.unable : exitCodes.ok)
    })
}

const abilityColumns: readonly Column[] = [
  { title: 'ABILITY', align: 'left' },
  { title: '', align: 'left' },
  { title: '', align: 'left' },
]

const probeColumns: readonly Column[] = [
  { title: 'PROBE', align: 'left' },
  { title: 'BY', align: 'left' },
  { title: 'CLOCKS', align: 'left' },
  { title: '', align: 'left' },
]

function renderProcessMeans({ abilities, probes }: ProcessMeans, out: Output): string {
  const { green, red, yellow } = out.colours
  const abilityRows = abilities.map(({ name, isGranted, found }) => [
    { text: name },
    isGranted ? { text: 'yes', paint: green } : { text: 'no', paint: yellow },
    { text: found },
  ])
  const probeRows = probes.map(({ protocol, means, clocks, obstacle, remark = '' }) => [
    { text: protocol },
    obstacle === undefined ? { text: means } : { text: means, paint: red },
    { text: clocks === undefined ? '-' : `${clocks.tx}/${clocks.rx}` },
    { text: obstacle?.message ?? remark },
  ])
  return `${renderTable(probeColumns, probeRows, out.columns)}\n${renderTable(abilityColumns, abilityRows, out.columns)}`
}
