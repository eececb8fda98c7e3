import {
  catalogue,
  commonOptions,
  type Failure,
  formatHostPort,
  incidentObject,
  isProtocol,
  makeCheck,
  nameServerOrSystem,
  type Protocol,
  parseTarget,
  placeAt,
  printable,
  probeNamed,
  responderPort,
  ScoutError,
  targetAt,
} from '@scout/core'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { addressesOf } from '../addresses.ts'
import { type AttemptPlan, makeAttempts } from '../attempts.ts'
import { attemptFlags } from '../flags/attempt-flags.ts'
import { addFlags, flagsOf, prefixed, valuesOf } from '../flags/flags.ts'
import { type OwnFinding, ownFindings } from '../own-findings.ts'
import { type CheckOutcome, renderChecks } from '../render/checks.ts'
import { jsonOf } from '../render/json.ts'
import { weightsTable } from '../render/weights.ts'
import { exitCodeOf } from '../shell/exit-code.ts'
import { helpExamples, type Invocation } from '../shell/invocation.ts'
import { type Io, type Output, startProgress } from '../shell/io.ts'

/** Adds `scout-probe all HOST`, which shows which checks pass, protocol by protocol. */
export function addAllCommand(program: Command, { io, elsewhere, finish }: Invocation): void {
  const options = z.object({
    port: z.int().min(1).max(65_535).default(responderPort).describe('TCP and UDP port of the responder'),
    dnsPort: z.int().min(1).max(65_535).default(53).describe('port of the name server on the host'),
    name: z.string().default('.').describe('name to query that name server for'),
    key: z.string().default('').describe('secret shared by prober and responder'),
    timeoutMs: commonOptions.shape.timeoutMs,
  })
  const attempts = attemptFlags({ count: 3, intervalMs: 200 })
  const flags = flagsOf(options)
  const command = program
    .command('all')
    .summary('probe a host with every protocol at once and show what passes')
    .description(
      'probe a host with every protocol at once and show what passes\n\n' +
        'Probes every address of a name. The host must run a Scout agent or scout-probe serve: udp and http-large need their responder.',
    )
    .argument('<host>', 'address or name')
  addFlags(command, flags).addOption(
    new Option('--skip <protocol>', 'protocol to skip; may be repeated').argParser(readSkipped),
  )
  attempts
    .addTo(command)
    .option('--explain', 'list what each check weighs for the named cause')
    .addHelpText(
      'after',
      helpExamples(io.name, 'all 10.244.1.31 --skip dns', 'all 10.96.0.10 --port 9153 --name example.com'),
    )
    .action(async (written: string) => {
      const { timeoutMs, ...site } = options.parse(valuesOf(flags, command))
      const { isJson, family, ...repetition } = attempts.read(command)
      const { host } = parseTarget('host', written, { nameServer: nameServerOrSystem() })
      const skipped = z.array(z.string()).default([]).parse(command.getOptionValue('skip'))
      const aimed = checksAt({ ...site, host }, skipped)
      const there = elsewhere()
      if (there !== undefined) return finish(await there())
      const selections = await addressesOf({ host, family, timeoutMs, ended: io.ended })
      const plans = selections.flatMap((selection) =>
        aimed.map(({ check, target }) => {
          const own = { ...check.options, timeoutMs, family, ...selection }
          const plan = { ...repetition, protocol: check.protocol, target, options: own }
          return { check, plan, ...(selections.length > 1 ? selection : {}) }
        }),
      )
      const outcomes = await probeSideBySide(plans, io, isJson)
      const findings = ownFindings(outcomes, { host, atMs: Date.now() })
      const isExplained = command.getOptionValue('explain') === true
      io.out.write(
        isJson ? findingsJson(findings) : renderChecks(outcomes, io.out) + findingsText(findings, isExplained, io.out),
      )
      finish(exitCodeOf(outcomes.map(({ statistics }) => statistics)))
    })
}

/** Returns a line for each cause that the results name, with its evidence where that is wanted. */
function findingsText(findings: readonly OwnFinding[], isExplained: boolean, out: Output): string {
  if (isExplained && findings.length === 0) {
    return 'no cause is named: nothing fails, nothing passes, or no known cause fits\n'
  }
  return findings
    .map(({ summary, next, weights }) => {
      const line = `${printable(summary)} (${next})\n`
      return isExplained ? line + weightsTable(weights, out) : line
    })
    .join('')
}

/** Returns an object for each cause that the results name, as `mesh --json` has it. */
function findingsJson(findings: readonly OwnFinding[]): string {
  return findings.map((finding) => `${JSON.stringify(incidentObject(finding))}\n`).join('')
}

function readSkipped(text: string, before: readonly Protocol[] = []): readonly Protocol[] {
  const { protocol } = prefixed('--skip', () => probeNamed(text))
  return isProtocol(protocol) ? [...before, protocol] : before
}

/** A host, and the place on it for each kind of target. */
interface Site {
  readonly host: string
  readonly port: number
  readonly dnsPort: number
  /** Name to query its name server for. */
  readonly name: string
  readonly key: string
}

/** Returns the checks of the catalogue with the host as target. @throws {ScoutError} before the first packet of any check. */
function checksAt({ host, port, dnsPort, name, key }: Site, skipped: readonly string[]) {
  const place = { ...placeAt(host, port), question: `${name}@${formatHostPort(host, dnsPort)}` }
  const definitions = catalogue.filter(({ protocol }) => !skipped.includes(protocol))
  if (definitions.length === 0) throw new ScoutError('invalid-option', '--skip: no protocol is left')
  return definitions.flatMap((definition) => {
    // The interval of the command replaces that of the check.
    // The root, which every name server knows, has no addresses.
    const check = makeCheck(definition, { intervalMs: 1_000, options: { key, requireAnswer: name !== '.' } })
    // A flow that attempts share tells more than others only when it is old.
    if (check.socket !== undefined) return []
    const target = targetAt(check, place) ?? ''
    parseTarget(probeNamed(check.protocol).targetForm, target, { nameServer: nameServerOrSystem() })
    return { check, target }
  })
}

interface PlannedCheck extends Pick<CheckOutcome, 'check' | 'address'> {
  readonly plan: AttemptPlan
}

/** Spreads the checks over one interval, because attempts that start together delay each other. */
async function probeSideBySide(
  plans: readonly PlannedCheck[],
  { out, err, ended }: Io,
  isJson: boolean,
): Promise<readonly CheckOutcome[]> {
  const progress = startProgress(err)
  let finished = 0
  const showProgress = () => {
    if (!isJson) progress.show(`${plans.length} checks, ${finished} attempts done`)
  }
  showProgress()
  const outcomes = await Promise.all(
    plans.map(async ({ plan, ...planned }, index) => {
      const { check } = planned
      let lastFailure: Failure | undefined
      const delayMs = (index * plan.intervalMs) / plans.length
      const { statistics } = await makeAttempts(
        { ...plan, delayMs },
        {
          ended,
          onResult(result) {
            finished++
            showProgress()
            if (!result.ok) lastFailure = result.failure
            if (isJson) out.write(`${jsonOf(result, { check: check.name })}\n`)
          },
        },
      )
      return { ...planned, statistics, lastFailure }
    }),
  )
  progress.clear()
  return outcomes
}
