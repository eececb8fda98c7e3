import {
  type Clock,
  nameServerOrSystem,
  optionsOf,
  type Protocol,
  parseTarget,
  probeNamed,
  targetForms,
} from '@scout/core'
import type { Command } from 'commander'
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
    .addHelpText('after', helpSection('Phases', phases))
    .addHelpText('after', helpSection('Clocks', clockHelp))
    .addHelpText('after', helpExamples(io.name, `${protocol} ${plain}`, `${protocol} ${other} -c 0 -i 200ms`))
    .action(async (written: string) => {
      const { isJson, family, ...repetition } = attempts.read(command)
      const { text: target } = parseTarget(targetForm, written, { nameServer: nameServerOrSystem() })
      const there = elsewhere()
      if (there !== undefined) return finish(await there())
      const plan = { protocol, target, options: { ...valuesOf(flags, command), family }, ...repetition }
      const report = isJson ? createJsonReport(io.out) : createTextReport(io.out, plan)
      report.begin()
      const { statistics, waitingCount } = await makeAttempts(plan, {
        ended: io.ended,
        onResult: report.attempt,
        onStray: report.stray,
      })
      report.end(statistics, waitingCount)
      finish(exitCodeOf([statistics]))
    })
}

/** Quotes text with shell patterns, such as an IPv6 address in brackets. */
function shellWord(text: string): string {
  return /[[\]*?]/.test(text) ? `'${text}'` : text
}
