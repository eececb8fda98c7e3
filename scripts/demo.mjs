import { parseArgs } from 'node:util'
import { findFault, LabError, openLab, specFor } from '@scout/lab'
import { runInLab } from './demo/lab.mjs'
import { runOverLoopback } from './demo/loopback.mjs'

/**
 * A small mesh on this machine: in a lab of network namespaces where they are to be had, else over loopback. The first agent prints
 * what it does and has the console; the others tell only of trouble.
 */
try {
  process.exitCode = await demonstrate(readArguments())
} catch (error) {
  if (!(error instanceof LabError)) throw error
  process.stderr.write(`npm start: ${error.message}\n`)
  process.exitCode = error.code === 'usage' ? 2 : 1
}

/** @param {{ fault: string | undefined, parameters: Record<string, string>, network: string | undefined, settings: import('./demo/agents.mjs').Settings, isLoopback: boolean }} options */
async function demonstrate({ fault, parameters, network, settings, isLoopback }) {
  if (isLoopback && fault === undefined) return runOverLoopback(settings)
  const spec = {
    nodes: 3,
    zones: 2,
    ...(fault === undefined ? {} : specFor(findFault(fault))),
    ...(network === undefined ? {} : { network }),
  }
  /** @type {import('@scout/lab').Lab} */
  let lab
  try {
    lab = await openLab(/** @type {import('@scout/lab').LabSpecInput} */ (spec))
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== 'unsupported') throw error
    process.stderr.write(`${error.message}\n`)
    if (fault !== undefined) return 1
    process.stderr.write('going on over loopback, where nothing can be broken\n')
    return runOverLoopback(settings)
  }
  try {
    if (fault !== undefined) {
      const injection = await lab.inject(fault, parameters)
      process.stderr.write(`fault ${fault} ${JSON.stringify(injection.parameters)}: ${findFault(fault).summary}\n`)
    }
    return await runInLab(lab, settings)
  } finally {
    await lab.close()
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      options: {
        fault: { type: 'string' },
        network: { type: 'string' },
        'console-port': { type: 'string', default: '8080' },
        interval: { type: 'string', default: '5s' },
        loopback: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    })
    return {
      fault: values.fault,
      network: values.network,
      parameters: parametersOf(positionals),
      settings: { consolePort: portOf(values['console-port']), interval: values.interval },
      isLoopback: values.loopback,
    }
  } catch (error) {
    if (error instanceof LabError) throw error
    const what = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new LabError(
      'usage',
      `${what}: it takes --fault NAME [key=value…] (npm run lab -- faults lists them), --network routed or vxlan, --interval, --console-port and --loopback`,
    )
  }
}

/** @param {readonly string[]} words */
function parametersOf(words) {
  return Object.fromEntries(
    words.map((word) => {
      const [key, value] = word.split('=', 2)
      if (value === undefined) throw new LabError('usage', `"${word}" is not a parameter: write it as key=value`)
      return [key, value]
    }),
  )
}

/** @param {string} text */
function portOf(text) {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw new LabError('usage', `--console-port takes a port from 1 to 65535, not "${text}"`)
}
