import { compileTable } from './compile/table.ts'
import { LabError } from './errors.ts'
import type { Change, FaultKey, Pulse } from './faults/fault.ts'
import { startHelper } from './helper.ts'
import type { Overrides } from './overrides.ts'
import type { LabProcess } from './process.ts'
import { pulseScript } from './pulse.ts'
import type { Runner } from './runner.ts'
import { startThrottle } from './throttle.ts'

/** A fault at work in a lab. */
export interface Injection {
  readonly id: string
  readonly name: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** How often it bit so far. */
  hits(): Promise<number>
  /** What its helpers say of themselves, for example how exact a delay is. */
  report(): Promise<readonly string[]>
  heal(): Promise<void>
}

/** What the changes of one fault act on. */
export interface Ground {
  readonly key: FaultKey
  readonly runner: Runner
  readonly overrides: Overrides
  readonly processesOf: (namespace: string) => readonly LabProcess[]
}

/** One change in force. */
export interface Applied {
  undo(): Promise<void>
  hits?(): Promise<number>
  report?(): Promise<string>
}

/** Applies changes in order; if one fails, those before it are taken back and its error is thrown. */
export async function applyChanges(ground: Ground, changes: readonly Change[]): Promise<Applied[]> {
  const applied: Applied[] = []
  try {
    for (const [index, change] of changes.entries()) applied.push(await apply(ground, change, index))
  } catch (error) {
    await undoAll(applied)
    throw error
  }
  return applied
}

/** Takes changes back, the last one first, and out of the list; one that cannot be stays there and does not keep the others. */
export async function undoAll(applied: Applied[]): Promise<void> {
  const failures: unknown[] = []
  for (const change of applied.splice(0).toReversed()) {
    try {
      await change.undo()
    } catch (error) {
      failures.push(error)
      applied.unshift(change)
    }
  }
  if (failures.length === 0) return
  const words = failures.map((error) => (error instanceof Error ? error.message : String(error)))
  throw new LabError('failed', words.join('; '), { cause: failures[0] })
}

async function apply(ground: Ground, change: Change, index: number): Promise<Applied> {
  const { key, runner, overrides } = ground
  switch (change.kind) {
    case 'table':
      return addTable(runner, `${key.id}_${index}`, change)
    case 'setting':
      await overrides.set(key.id, change.setting, change.value)
      return { undo: () => overrides.release(key.id, change.setting) }
    case 'command': {
      const { namespace, script, undo = '' } = change
      const run = async (step: string, text: string) => {
        if (text !== '') await runner.script(step, namespace, text)
      }
      await run('make a change', script)
      return { undo: () => run('take a change back', undo) }
    }
    case 'helper':
      return startHelper(runner.spawn(change.namespace, change.argv, { detached: true }), change)
    case 'counter': {
      const read = async () => Number(await runner.script('read a counter', change.namespace, change.script))
      const before = await read()
      return { undo: () => Promise.resolve(), hits: async () => (await read()) - before }
    }
    case 'throttle':
      return startThrottle(() => ground.processesOf(change.namespace), change)
  }
}

async function addTable(
  runner: Runner,
  name: string,
  { namespace, table }: Extract<Change, { kind: 'table' }>,
): Promise<Applied> {
  const reference = `${table.family} ${name}`
  await runner.script('add nft rules', namespace, `nft -f - <<'END'\n${compileTable(name, table)}END\n`)
  const pulse =
    table.pulse === undefined ? undefined : await startPulse(runner, { namespace, reference, pulse: table.pulse })
  return {
    undo: async () => {
      await pulse?.undo()
      await runner.script('delete nft rules', namespace, `nft delete table ${reference}`)
    },
    hits: async () => {
      const text = await runner.script('read a counter', namespace, `nft list counter ${reference} hits`)
      return Number(/packets (\d+)/.exec(text)?.[1])
    },
  }
}

function startPulse(
  runner: Runner,
  { namespace, reference, pulse }: { readonly namespace: string; readonly reference: string; readonly pulse: Pulse },
): Promise<Applied> {
  const argv = ['sh', '-c', pulseScript(reference, pulse)]
  return startHelper(runner.spawn(namespace, argv, { detached: true }), { kind: 'helper', namespace, argv })
}
