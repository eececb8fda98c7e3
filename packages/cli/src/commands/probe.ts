import {
  type Clock,
  commonOptions,
  nameServerOrSystem,
  optionsOf,
  type Protocol,
  parseTarget,
  probeNamed,
  targetForms,
} from '@scout/core'
import { type Command, Option } from 'commander'
import { addressesOf } from '../addresses.ts'
import { makeAttempts } from '../attempts.ts'
import { attemptFlags } from '../flags/attempt-flags.ts'
import { addFlags, flagsOf, valuesOf } from '../flags/flags.ts'
import { createJsonReport } from '../render/json.ts'
import { createTextReport } from '../render/text.ts'
import { exitCodeOf } from '../shell/exit-code.ts'
import { helpExamples, helpSection, type Invocation } from '../shell/invocation.ts'

const clockHelp: Readonly<Record<Clock, string>> = {
  kernel: 'timestamps that the kernel put on the packets',
  'tcp-info': "the kernel's own round-trip estimate of the connection",
  user: 'timestamps of this process, which include its wait for the CPU',
}

/** Adds the command of one probe, derived from the registry: `scout-probe tcp 10.244.1.31:8081`. */
export function addProbeCommand(program: Command, protocol: Protocol, { io, elsewhere, finish }: Invocation): void {
  const probe = probeNamed(protocol)
  const { summary, targetForm, phases } = probe
  const attempts = attemptFlags({ count: 4, intervalMs: 1000 })
  // -4 and -6, as in other tools, instead of a flag with a choice.
  const flags = flagsOf(optionsOf(probe).omit({ family: true }))
  const { about, examples } = targetForms[targetForm]
  const [plain, other] = examples.map(shellWord)
  const command = program.command(protocol).summary(summary).description(summary).argument('<target>', about)
  attempts
    .addTo(addFlags(command, flags))
    .addOption(new Option('--all-addresses', 'probe every address of a name, not only the first').conflicts('address'))
    .addHelpText('after', helpSection('Phases', phases))
    .addHelpText('after', helpSection('Clocks', clockHelp))
    .addHelpText('after', helpExamples(io.name, `${protocol} ${plain}`, `${protocol} ${other} -c 0 -i 200ms`))
    .action(async (written: string) => {
      const { isJson, family, ...repetition } = attempts.read(command)
      const { text: target, host } = parseTarget(targetForm, written, { nameServer: nameServerOrSystem() })
      const there = elsewhere()
      if (there !== undefined) return finish(await there())
      const options = { ...valuesOf(flags, command), family }
      const { timeoutMs } = commonOptions.parse(options)
      const isForAll = command.getOptionValue('allAddresses') === true
      const selections = isForAll ? await addressesOf({ host, family, timeoutMs, ended: io.ended }) : [{}]
      const runs = selections.map((selection, index) => {
        const delayMs = (index * repetition.intervalMs) / selections.length
        const plan = { protocol, target, ...repetition, options: { ...options, ...selection }, delayMs, ...selection }
        return { plan, report: isJson ? createJsonReport(io.out) : createTextReport(io.out, plan) }
      })
      for (const { report } of runs) report.begin()
      const outcomes = await Promise.all(
        runs.map(async ({ plan, report }) => ({
          report,
          outcome: await makeAttempts(plan, { ended: io.ended, onResult: report.attempt, onStray: report.stray }),
        })),
      )
      for (const { report, outcome } of outcomes) report.end(outcome.statistics, outcome.waitingCount)
      finish(exitCodeOf(outcomes.map(({ outcome }) => outcome.statistics)))
    })
}

/** Quotes text with shell patterns, such as an IPv6 address in brackets. */
function shellWord(text: string): string {
  return /[[\]*?]/.test(text) ? `'${text}'` : text
}
