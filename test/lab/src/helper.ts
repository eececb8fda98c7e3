import { createInterface } from 'node:readline'
import { LabError } from './errors.ts'
import type { Change } from './faults/fault.ts'
import type { Applied } from './injection.ts'
import type { LabProcess } from './process.ts'

/** Waits until a helper is ready; it acts until its change is undone. */
export async function startHelper(
  helper: LabProcess,
  { argv, reports = false }: Extract<Change, { kind: 'helper' }>,
): Promise<Applied> {
  const { stdin, stdout, stderr } = helper.child
  if (stdin === null || stdout === null || stderr === null) throw new TypeError('a helper needs its pipes')
  let words = ''
  stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
  // It may have ended by the time it is asked; its missing answer says so.
  stdin.on('error', () => {})
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  const first = await lines.next()
  if (first.value !== 'ready') {
    await helper.stop()
    throw new LabError('failed', `cannot start ${argv[0]}: ${words.trim() || 'it ended without a word'}`)
  }
  const report = async () => {
    stdin.write('\n')
    const line = await lines.next()
    return line.done === true ? `${argv[0]} has ended: ${words.trim()}` : line.value
  }
  return {
    undo: async () => {
      await helper.stop()
    },
    ...(reports ? { report } : {}),
  }
}
