import { parseArgs } from 'node:util'
import { loadConfig } from '@scout/agent/config'
import { ScoutError } from '@scout/core'
import { buildTopology, findFault, LabError, openLab, parseAssignments, planFault, specFor } from '@scout/lab'
import { runInLab } from './lab.mjs'
import { runOverLoopback } from './loopback.mjs'

const help = `usage: npm start -- [options] [key=value…]

Runs a mesh of three agents on this machine until Ctrl-C: in a lab of network namespaces, or over loopback where there are none.

  --fault NAME [key=value…]  break the network of the lab (npm run lab -- faults lists the faults and their parameters)
  --network NAME             routed or vxlan (default: routed)
  --interval DURATION        time between attempts of one check on one peer (default: 5s)
  --console-port PORT        port of the page (default: 8080)
  --loopback                 run over loopback, without a lab
  --quiet                    print only incidents, the address of the page and the fault
  -h, --help                 print this
`

/**
 * Runs a small mesh on this machine: in a lab of network namespaces where available, otherwise over loopback. The first agent prints
 * its probes and serves the console; the others print only warnings and errors.
 */
try {
  const chosen = readArguments()
  if ('help' in chosen) process.stdout.write(chosen.help)
  else process.exitCode = await demonstrate(chosen)
} catch (error) {
  if (!(error instanceof LabError)) throw error
  process.stderr.write(`npm start: ${error.message}\n`)
  process.exitCode = { failed: 1, usage: 2, unsupported: 3 }[error.code]
}

/** @param {{ fault: string | undefined, parameters: Record<string, string>, network: string | undefined, settings: Omit<import('./agents.mjs').Settings, 'last'>, isLoopback: boolean }} options */
async function demonstrate({ fault, parameters, network, settings, isLoopback }) {
  if (isLoopback) return runOverLoopback({ ...settings, last: [] })
  const spec = /** @type {import('@scout/lab').LabSpecInput} */ ({
    nodes: 3,
    zones: 2,
    ...(fault === undefined ? {} : specFor(findFault(fault))),
    ...(network === undefined ? {} : { network }),
  })
  const topology = buildTopology(spec)
  if (fault !== undefined) planFault(topology, [fault, parameters])
  /** @type {import('@scout/lab').Lab} */
  let lab
  try {
    lab = await openLab(spec)
  } catch (error) {
    const canDoWithout = fault === undefined && network === undefined
    if (!(error instanceof LabError) || error.code !== 'unsupported' || !canDoWithout) throw error
    process.stderr.write(`${error.message}\ngoing on over loopback, where nothing can be broken\n`)
    return runOverLoopback({ ...settings, last: [] })
  }
  try {
    const last = fault === undefined ? [] : [faultText(fault, await lab.inject(fault, parameters))]
    return await runInLab(lab, { ...settings, last })
  } finally {
    await lab.close()
  }
}

/**
 * @param {string} fault
 * @param {import('@scout/lab').Injection} injection
 */
function faultText(fault, { parameters }) {
  return `fault ${fault} ${JSON.stringify(parameters)}: ${findFault(fault).summary}`
}

function readArguments() {
  const { values, positionals } = parse()
  const { fault, network, interval, loopback: isLoopback, quiet: isQuiet } = values
  if (values.help) return { help }
  if (isLoopback && (fault ?? network) !== undefined) {
    throw new LabError(
      'usage',
      '--loopback has no network to shape or to break: leave out --loopback, or --fault and --network',
    )
  }
  if (fault === undefined && positionals.length > 0) {
    throw new LabError('usage', `"${positionals.join(' ')}" has no fault to apply to: write --fault NAME before it`)
  }
  checkInterval(interval)
  const settings = { consolePort: portOf(values['console-port']), interval, isQuiet }
  return { fault, network, parameters: parseAssignments(positionals), settings, isLoopback }
}

function parse() {
  try {
    return parseArgs({
      options: {
        fault: { type: 'string' },
        network: { type: 'string' },
        'console-port': { type: 'string', default: '8080' },
        interval: { type: 'string', default: '5s' },
        loopback: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
      allowPositionals: true,
    })
  } catch (error) {
    const what = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new LabError(
      'usage',
      `${what}: it takes --fault NAME [key=value…] (npm run lab -- faults lists them), --network routed or vxlan, --interval, --console-port, --loopback, --quiet and --help`,
    )
  }
}

/**
 * Parses a duration as the agents will, but once, and before anything is built.
 *
 * @param {string} text
 */
function checkInterval(text) {
  try {
    loadConfig({ environment: {}, flags: [{ path: 'interval', text, origin: '--interval' }] })
  } catch (error) {
    if (!(error instanceof ScoutError)) throw error
    throw new LabError('usage', error.message, { cause: error })
  }
}

/** @param {string} text */
function portOf(text) {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw new LabError('usage', `--console-port must be a port from 1 to 65535, not "${text}"`)
}
