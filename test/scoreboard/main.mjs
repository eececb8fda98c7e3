// npm run scoreboard: injects every fault of the lab's catalogue beneath real agents, and compares the incidents that Scout names with what
// happened. Exits with 1 if one that should have its name does not, or if something else is named. With --replay, the agents and their
// packets are simulated, for years.

import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { prepare } from '../../scripts/prepare.mjs'

await prepare('lab')
const { conditions } = await import('./conditions.mjs')
const { expectations, groups } = await import('./expectations.mjs')
const { runAll, runHealthy, planned } = await import('./run.mjs')
const { markdownOf, textOf, wrongOf } = await import('./report.mjs')
const { isRight: isReplayRight, replay, replayPage, replayText } = await import('./replay/replay.mjs')

/** Faults of the quick run: one of each kind of evidence, and one that must stay silent. */
const quick = ['tcp-blocked', 'reject-admin-prohibited', 'mtu-blackhole', 'node-down', 'dns-servfail', 'hop-hidden']

const { values, positionals } = parseArgs({
  options: {
    network: { type: 'string', default: 'routed' },
    nodes: { type: 'string', default: '3' },
    repeats: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    interval: { type: 'string' },
    labs: { type: 'string' },
    share: { type: 'string', default: '1/1' },
    quick: { type: 'boolean', default: false },
    'without-waiting': { type: 'boolean', default: false },
    healthy: { type: 'string' },
    replay: { type: 'boolean', default: false },
    years: { type: 'string', default: '10' },
    trials: { type: 'string', default: '50' },
    thorough: { type: 'boolean', default: false },
    from: { type: 'string', multiple: true },
    json: { type: 'string' },
    write: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
})
if (values.help === true) {
  console.log(`usage: npm run scoreboard -- [options] [fault…]

  A fault is one of the lab's, the name of a line of the scoreboard, or a group: ${Object.keys(groups).join(', ')}.

  --network NAME      routed, vxlan or both (${values.network}); a fault that needs one of them runs there
  --nodes NUMBER      number of nodes (${values.nodes}); a fault that needs more has more
  --repeats NUMBER    trials of each fault (${values.repeats})
  --seed NUMBER       of the first trial: when within an interval the fault begins (${values.seed})
  --interval TIME     general interval of the checks (10s)
  --labs NUMBER       labs that run at the same time (2)
  --share PART/PARTS  one part of the trials (${values.share}); --from joins what the runs wrote
  --quick             ${quick.length} faults at an interval of 1s, 3 labs at the same time
  --without-waiting   only faults that today's checks can name
  --healthy MINUTES   no fault, so that each incident is an error. Names, instead of faults, choose what happens to a mesh
                      each: ${Object.keys(conditions).join(', ')} (all)
  --replay            simulate meshes without sockets: years in which all is well, whose incidents are false, and faults of a link
  --years NUMBER      years to simulate (${values.years}), by the seed
  --trials NUMBER     simulated faults of each kind (${values.trials})
  --thorough          simulate in full what has no effect, too: the result is the same, and takes far longer
  --from FILE         no fault: show what --json wrote earlier; several are joined
  --json FILE         write the trials as JSON
  --write FILE        write the page (docs/scoreboard.md, with --replay docs/detection.md)

examples: npm run scoreboard -- --interval 2s tcp-blocked dns-down
          npm run scoreboard -- --repeats 3 --network both --write docs/scoreboard.md
          npm run scoreboard -- combinations moments
          npm run scoreboard -- --healthy 5 bursts churn
          npm run scoreboard -- --replay --years 1`)
  process.exit(0)
}

const ending = new AbortController()
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => ending.abort())
const intervalMs = durationMs(values.interval ?? (values.quick ? '1s' : '10s'))
const labs = number('labs', values.labs ?? (values.quick ? '3' : '2'))
const nodes = number('nodes', values.nodes)
const networks = networksOf(values.network)

if (values.replay) {
  const years = Number(values.years)
  if (!(years > 0)) refuse('--years takes a number above 0')
  if (nodes < 2) refuse('--replay takes at least two nodes')
  const seed = number('seed', values.seed)
  const trials = number('trials', values.trials)
  const replayed = await replay({ nodes, years, trials, seed, isThorough: values.thorough }, ending.signal)
  if (replayed === undefined) process.exit(1)
  console.log(replayText(replayed))
  if (values.write !== undefined) writeFileSync(values.write, replayPage(replayed))
  process.exit(isReplayRight(replayed) ? 0 : 1)
}

if (values.healthy !== undefined) {
  const minutes = Number(values.healthy)
  if (!(minutes > 0)) refuse('--healthy takes a number above 0')
  const seed = number('seed', values.seed)
  const happenings = happeningsOf(positionals)
  const choice = { happenings, networks, nodes, intervalMs, minutes, seed }
  const incidents = await runHealthy(choice, ending.signal).catch((/** @type {unknown} */ error) => {
    if (ending.signal.aborted) process.exit(1)
    throw error
  })
  for (const text of incidents) console.log(text)
  const text = `${minutes} minutes of ${happenings.map(([name]) => name).join(', ')}`
  console.log(
    `${incidents.length === 0 ? 'no incident' : `${incidents.length} incidents in healthy meshes`} in ${text}`,
  )
  process.exit(incidents.length === 0 ? 0 : 1)
}

const { part, parts } = shareOf(values.share)
const trials = planned({
  expectations: chosen(),
  networks,
  nodes,
  intervalMs,
  repeats: number('repeats', values.repeats),
  firstSeed: number('seed', values.seed),
}).filter((_, index) => index % parts === part - 1)
const outcomes = values.from?.flatMap(readOutcomes) ?? (await runAll(trials, { labs, signal: ending.signal }))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(outcomes, null, 2)}\n`)
if (values.write !== undefined) {
  writeFileSync(values.write, markdownOf(outcomes, expectations))
}
console.log(textOf(outcomes))
const wrong = wrongOf(outcomes)
if (wrong.length > 0) console.log(`\n${wrong.join('\n\n')}`)
const isRight = wrongOf(outcomes.filter(({ trial }) => trial.expectation.waitsFor === undefined)).length === 0
const isComplete = values.from !== undefined || outcomes.length === trials.length
process.exitCode = isRight && isComplete ? 0 : 1

/** Returns the expectations that the arguments name: one of this name, a group, or all that are of one fault of the catalogue. */
function chosen() {
  const names = positionals.length === 0 && values.quick ? quick : positionals
  const named = names.map((name) => ({ name, found: values.quick ? expectationNamed(name) : expectationsOf(name) }))
  const unknown = named.find(({ found }) => found.length === 0)
  if (unknown !== undefined) refuse(`there is no fault "${unknown.name}" in test/scoreboard/expectations.mjs`)
  const found = new Set(named.flatMap(({ found }) => found))
  return expectations
    .filter((one) => names.length === 0 || found.has(one))
    .filter(({ waitsFor }) => waitsFor === undefined || !values['without-waiting'])
}

function expectationNamed(/** @type {string} */ wanted) {
  return expectations.filter(({ name }) => name === wanted)
}

function expectationsOf(/** @type {string} */ name) {
  const { catalogue = [] } = groups
  return (
    groups[name] ?? [
      ...new Set([
        ...expectationNamed(name),
        ...catalogue.filter(({ faults }) => faults.some(({ fault }) => fault === name)),
      ]),
    ]
  )
}

function happeningsOf(/** @type {readonly string[]} */ names) {
  const known = Object.entries(conditions)
  const unknown = names.find((name) => !known.some(([one]) => one === name))
  const all = known.map(([name]) => name).join(', ')
  if (unknown !== undefined) refuse(`there is no "${unknown}" for --healthy: it takes ${all}`)
  return names.length === 0 ? known : known.filter(([name]) => names.includes(name))
}

/** @returns {{ part: number, parts: number }} */
function shareOf(/** @type {string} */ text) {
  const [, part = 0, parts = 0] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? []
  return part >= 1 && part <= parts
    ? { part, parts }
    : refuse('--share takes a part and the number of parts, such as 1/3')
}

/** @returns {readonly import('./trial.mjs').Outcome[]} */
function readOutcomes(/** @type {string} */ path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** @returns {readonly ('routed' | 'vxlan')[]} */
function networksOf(/** @type {string} */ text) {
  if (text === 'routed' || text === 'vxlan') return [text]
  if (text === 'both') return ['routed', 'vxlan']
  return refuse('--network takes routed, vxlan or both')
}

function number(/** @type {string} */ name, /** @type {string} */ text) {
  const value = Number(text)
  return Number.isInteger(value) && value > 0 ? value : refuse(`--${name} takes a whole number above 0`)
}

function durationMs(/** @type {string} */ text) {
  const [, value, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text) ?? []
  return value === undefined
    ? refuse('--interval takes a duration, such as 2s or 500ms')
    : Number(value) * (unit === 's' ? 1_000 : 1)
}

/** @returns {never} */
function refuse(/** @type {string} */ message) {
  console.error(message)
  process.exit(2)
}
