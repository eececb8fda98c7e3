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

/** @param {{ fault: string | undefined, parameters: Record<string, string>, network: string | undefined }} options */
async function demonstrate({ fault, parameters, network }) {
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
    return runOverLoopback()
  }
  try {
    if (fault !== undefined) {
      const injection = await lab.inject(fault, parameters)
      process.stderr.write(`fault ${fault} ${JSON.stringify(injection.parameters)}: ${findFault(fault).summary}\n`)
    }
    return await runInLab(lab)
  } finally {
    await lab.close()
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      options: { fault: { type: 'string' }, network: { type: 'string' } },
      allowPositionals: true,
    })
    return { fault: values.fault, network: values.network, parameters: parametersOf(positionals) }
  } catch (error) {
    if (error instanceof LabError) throw error
    const what = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new LabError(
      'usage',
      `${what}: it takes --fault NAME [key=value…] and --network routed or vxlan (npm run lab -- faults lists the names)`,
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
