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
import { addressesOf, targetsOf } from '../addresses.ts'
import { makeAttempts } from '../attempts.ts'
import { attemptFlags } from '../flags/attempt-flags.ts'
import { addFlags, flagsOf, valuesOf } from '../flags/flags.ts'
import { createJsonReport } from '../render/json.ts'
import { createMtuReport } from '../render/mtu.ts'
import { createTextReport } from '../render/text.ts'
import { createTraceReport } from '../render/trace.ts'
import { exitCodeOf } from '../shell/exit-code.ts'
import { helpExamples, helpSection, type Invocation } from '../shell/invocation.ts'

const clockHelp: Readonly<Record<Clock, string>> = {
  kernel: 'timestamps that the kernel put on the packets',
  'tcp-info': "the kernel's own round-trip estimate of the connection",
  user: 'timestamps of this process, which include its wait for the CPU',
}

/** Reports of probes whose result is more than a line. */
const textReports: Readonly<Partial<Record<string, typeof createTextReport>>> = {
  mtu: createMtuReport,
  trace: createTraceReport,
}

/** Adds the command of one probe, derived from the registry: `scout-probe tcp 10.244.1.31:8081`. */
export function addProbeCommand(program: Command, protocol: Protocol, { io, elsewhere, finish }: Invocation): void {
  const probe = probeNamed(protocol)
  const { summary, targetForm, phases } = probe
  // Facts are found once. What such a probe repeats within its attempt is among its own options.
  const isOnce = probe.yields === 'facts'
  const attempts = attemptFlags(isOnce ? undefined : { count: 4, intervalMs: 1000 })
  // -4 and -6, as in other tools, instead of a flag with a choice.
  const flags = flagsOf(optionsOf(probe).omit({ family: true }), isOnce ? { count: '-c', intervalMs: '-i' } : {})
  const { about, examples } = targetForms[targetForm]
  const [plain, other] = examples.map(shellWord)
  const command = program.command(protocol).summary(summary).description(summary).argument('<target>', about)
  attempts
    .addTo(addFlags(command, flags))
    .addOption(new Option('--all-addresses', 'probe every address of a name, not only the first').conflicts('address'))
    .addHelpText('after', helpSection('Phases', phases))
    .addHelpText('after', helpSection('Clocks', clockHelp))
    .addHelpText(
      'after',
      helpExamples(io.name, `${protocol} ${plain}`, `${protocol} ${other} ${isOnce ? '--json' : '-c 0 -i 200ms'}`),
    )
    .action(async (written: string) => {
      const { isJson, family, ...repetition } = attempts.read(command)
      const targets = targetsOf(written, targetForm, family).map((target) =>
        parseTarget(targetForm, target, { nameServer: nameServerOrSystem() }),
      )
      const there = elsewhere()
      if (there !== undefined) return finish(await there())
      const options = { ...valuesOf(flags, command), family }
      const { timeoutMs } = commonOptions.parse(options)
      const isForAll = command.getOptionValue('allAddresses') === true
      const createText = textReports[protocol] ?? createTextReport
      const selections = await Promise.all(
        targets.map(async ({ text: target, host }) => {
          const found = isForAll ? await addressesOf({ host, family, timeoutMs, ended: io.ended }) : [{}]
          return found.map((selection) => ({ target, selection }))
        }),
      )
      const runs = selections.flat().map(({ target, selection }, index, { length }) => {
        const delayMs = (index * repetition.intervalMs) / length
        const plan = { protocol, target, ...repetition, options: { ...options, ...selection }, delayMs, ...selection }
        return { plan, report: isJson ? createJsonReport(io.out) : createText(io.out, plan) }
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
