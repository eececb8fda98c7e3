import { appendFile, lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { AnyResult } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { historyOf } from '../../src/memory/history.ts'
import { createHistoryFile } from '../../src/memory/history-file.ts'
import { createMemory, keptMs } from '../../src/memory/memory.ts'
import type { PlannedTask } from '../../src/plan/plan.ts'
import { failure, success } from '../support/results.ts'
import { checkOf, known, tasksOf } from '../support/tasks.ts'
import { temporaryFolder } from '../support/temporary.ts'

const checks = [checkOf('tcp'), checkOf('udp')]
const tasks = tasksOf([known('a', { node: 'node-2' }), known('b', { node: 'node-3' })], checks)
const seconds = 1_000

describe('a history file', () => {
  test('gives the memory of the next process what the last one had, slot by slot', async () => {
    const path = await place()
    const first = await process(path)
    first.record(success, [3_600, 600, 120, 60, 0])
    first.record(failure, [3_600, 30])
    await first.file.stop()
    const second = await process(path)
    expect(second.history().series).toHaveLength(4)
    expect(second.history()).toEqual(first.history())
    expect(second.history().failures).toHaveLength(8)
    expect(second.troubles).toEqual([])
  })

  test('keeps for the next process also what was added after a restart, and nodes that are not back yet', async () => {
    const path = await place()
    const first = await process(path)
    first.record(success, [600])
    await first.file.stop()
    const second = await process(path, [])
    await second.file.stop()
    const third = await process(path, [])
    await third.file.stop()
    const fourth = await process(path)
    expect(fourth.history()).toEqual(first.history())
    fourth.record(success, [0])
    await fourth.file.stop()
    const fifth = await process(path)
    expect(fifth.history()).toEqual(fourth.history())
  })

  test('keeps the newest five failures of each series, without details, of the last day', async () => {
    const path = await place()
    const first = await process(path, tasks, { everyMs: 10 })
    first.record(failure, [90_000, 300, 240])
    await first.written(2)
    first.record(failure, [180, 120])
    await first.written(2)
    await first.file.stop()
    const second = await process(path)
    const failuresIn = ({ memory }: typeof first) => [...memory.series].map(({ failures }) => failures)
    expect(failuresIn(second)).toEqual(failuresIn(first).map((failures) => failures.slice(1)))
    second.record(failure, [60, 0])
    expect(failuresIn(second)[0]).toHaveLength(5)
    expect(failuresIn(second)[0]?.slice(0, 3)).toEqual(failuresIn(first)[0]?.slice(2))
  })

  test('has the failures of a series once, and not again while there are no new ones', async () => {
    const path = await place()
    const first = await process(path, tasks, { everyMs: 10 })
    first.record(failure, [60])
    await first.written(2)
    for (const ago of [50, 40, 30]) {
      first.record(success, [ago])
      await first.written(2)
    }
    await first.file.stop()
    const text = gunzipSync(await readFile(path)).toString()
    expect(text.match(/"failures":/g)).toHaveLength(tasks.length)
  })

  test('keeps no failures that are longer than a file should have', async () => {
    const path = await place()
    const first = await process(path)
    const long = (atMs: number) => failure(atMs, 'timeout', 'x'.repeat(30_000))
    first.record(long, [60])
    await first.file.stop()
    const second = await process(path)
    expect(second.troubles).toEqual([])
    expect(second.history()).toEqual({ ...first.history(), failures: [] })
  })

  test('forgets nodes that have had no peer for ten minutes', async () => {
    const path = await place()
    const first = await process(path)
    first.record(success, [60])
    await first.file.stop()
    const second = await process(path, [])
    second.memory.forget(performance.now() + keptMs)
    expect(second.memory.histories).toEqual([])
  })

  test('is appended to while it grows little, and rewritten beside the old one beyond that', async () => {
    const path = await place()
    const first = await process(path, tasks, { everyMs: 10 })
    first.record(success, [7_200, 3_600, 60])
    await first.written(2)
    const { ino, size } = await stat(path)
    first.record(failure, [0])
    await first.written(2)
    expect(await stat(path)).toMatchObject({ ino })
    expect((await stat(path)).size).toBeGreaterThan(size)
    // Another process has changed it.
    await appendFile(path, 'x')
    first.record(success, [0])
    await first.file.stop()
    expect((await readFile(path)).subarray(-1).toString()).not.toBe('x')
    expect((await process(path)).history().series).toEqual(first.history().series)
    expect(await readdir(dirname(path))).toEqual(['history'])
  })

  test('that was cut off gives what comes before, with one warning, and is replaced', async () => {
    const path = await place()
    const first = await process(path)
    first.record(success, [60])
    await first.file.stop()
    const { size } = await stat(path)
    const text = gunzipSync(await readFile(path)).toString()
    await writeFile(path, Buffer.concat([gzipSync(text), gzipSync('{"check":"tcp",').subarray(0, -4)]))
    const second = await process(path)
    expect(second.history().series).toEqual(first.history().series)
    expect(second.troubles).toEqual([
      expect.stringMatching(
        /^cannot use the history in .*; the agent starts with what comes before and replaces the file$/,
      ),
    ])
    await second.file.stop()
    expect((await stat(path)).size).toBeLessThan(size * 2)
    expect((await process(path)).troubles).toEqual([])
  })

  test('that has longer failures than this version writes, or their details, is read without', async () => {
    const path = await place()
    const failuresOf = (message: string) => [
      { ...failure(Date.now() - 60_000, 'timeout', message), detail: { hops: 3 } },
    ]
    const lines = ['short', 'x'.repeat(30_000)].map((message, at) =>
      lineOf({ to: `node-${at + 2}`, failures: failuresOf(message) }),
    )
    await writeFile(path, gzipSync(headOf({}) + lines.join('')))
    const { troubles, history, memory } = await process(path)
    expect(troubles).toEqual([])
    expect(history().failures.map(({ message }) => message)).toEqual(['short'])
    const kept = [...memory.series].flatMap(({ failures }) => failures)
    expect(kept.map(({ detail }) => detail)).toEqual([undefined])
  })

  const headOf = (parts: object) =>
    `${JSON.stringify({ scout: 'history', version: 1, node: 'node-1', reasons: [], ...parts })}\n`
  const lineOf = (parts: object) =>
    `${JSON.stringify({ check: 'tcp', path: 'pod', vantage: 'pod', family: 'ipv4', to: 'node-2', recent: '', day: '', ...parts })}\n`

  test.each([
    [
      'of a later version',
      headOf({ version: 2, more: true }),
      'it has format 2, and this version of Scout reads format 1',
    ],
    ['with a field that it does not have', headOf({}) + lineOf({ more: 1 }), 'line 2 is damaged'],
    ['with half a slot', headOf({}) + lineOf({ day: 'AAAA' }), 'line 2 is damaged'],
    ['with failures that are none', headOf({}) + lineOf({ failures: [{ ok: false }] }), 'line 2 is damaged'],
    ['with slots that are none', headOf({}) + lineOf({ day: {} }), 'line 2 is damaged'],
    ['with more reasons than fit', headOf({ reasons: Array.from({ length: 33 }, () => 'x') }), 'line 1 is damaged'],
    ['with an endless line', headOf({}) + 'x'.repeat(1 << 20), 'it is too large'],
    [
      'with very many series',
      headOf({}) + Array.from({ length: 5_000 }, (_, at) => lineOf({ to: `node-${at}` })).join(''),
      'it has more than 4000 series',
    ],
  ])('%s is not used, and replaced', async (_, text, why) => {
    const path = await place()
    await writeFile(path, gzipSync(text))
    const { history, troubles, file, record } = await process(path)
    expect(troubles).toHaveLength(1)
    expect(troubles[0]).toContain(`cannot use the history in ${path}: ${why}; `)
    expect(troubles[0]).toMatch(/replaces the file$/)
    expect(history().series.flatMap(({ day }) => day.slots)).toEqual([])
    record(success, [0])
    await file.stop()
    expect((await process(path)).troubles).toEqual([])
  })

  test.each([
    ['that is something else', Buffer.from('#!/bin/sh\n'), 'incorrect header check'],
    ['that is something else, compressed', gzipSync('{"a":1}\n'), 'it is no history of Scout'],
    ['of another node', gzipSync(headOf({ node: 'node-9' })), 'it is that of node node-9'],
  ])('%s is left alone, with one warning', async (_, content, why) => {
    const path = await place()
    await writeFile(path, content)
    const { troubles, file, record } = await process(path, tasks, { everyMs: 10 })
    expect(troubles).toEqual([expect.stringContaining(why)])
    expect(troubles[0]).toMatch(/leaves the file alone: set historyFile to a file of this agent, or remove that one$/)
    record(success, [0])
    await file.stop()
    expect(await readFile(path)).toEqual(content)
    expect(file.report).toMatchObject({ trouble: troubles[0], writes: { written: 0, failed: 0 } })
  })

  describe('that is damaged in its first bytes', () => {
    const damaged = async () => {
      const path = await place()
      const first = await process(path, tasks, { everyMs: 10 })
      first.record(success, [60])
      await first.written(1)
      first.record(success, [0])
      await first.file.stop()
      const content = await readFile(path)
      await writeFile(path, content.fill(0x2a, 0, 40))
      return { path, content }
    }

    test('is set aside, with one warning that says where it is, and a new one is begun', async () => {
      const { path, content } = await damaged()
      await writeFile(`${path}.damaged`, 'an earlier one')
      const second = await process(path)
      expect(second.troubles).toEqual([
        `cannot use the history in ${path}, because its beginning is damaged; the agent starts without it and begins a new one; the old one is now ${path}.damaged`,
      ])
      expect(await readFile(`${path}.damaged`)).toEqual(content)
      second.record(success, [60, 0])
      await second.file.stop()
      expect(second.troubles.slice(1)).toEqual([undefined])
      const third = await process(path)
      expect(third.troubles).toEqual([])
      expect(third.history().series).toEqual(second.history().series)
    })

    test('is set aside even if what it has first can still be read', async () => {
      const { path, content } = await damaged()
      await writeFile(path, Buffer.concat([gzipSync('{}\n'), content.subarray(60)]))
      expect((await process(path)).troubles).toEqual([expect.stringContaining(`the old one is now ${path}.damaged`)])
    })

    test('is left alone if it is that of another node', async () => {
      const { path, content } = await damaged()
      const other = await process(path, tasks, { node: 'node-9' })
      expect(other.troubles).toEqual([expect.stringMatching(/leaves the file alone/)])
      await other.file.stop()
      expect(await readFile(path)).toEqual(content)
    })

    test('is left alone if it cannot be set aside, with one warning', async () => {
      const { path, content } = await damaged()
      await mkdir(join(`${path}.damaged`, 'full'), { recursive: true })
      const { troubles, file } = await process(path, tasks, { everyMs: 10 })
      expect(troubles).toEqual([expect.stringMatching(/starts without it and keeps none: .*; remove that file$/)])
      await file.stop()
      expect(await readFile(path)).toEqual(content)
    })
  })

  test('that cannot be written is one warning, however long, is counted, and is written once it can be', async () => {
    const path = join(await temporaryFolder(), 'missing', 'history')
    const { troubles, file, record, written } = await process(path, tasks, { everyMs: 10 })
    record(success, [60])
    await eventually(() => file.report.writes.failed > 3, 'several attempts')
    expect(troubles).toEqual([expect.stringContaining(`cannot keep the history in ${path}: ENOENT`)])
    expect(file.report.trouble).toBe(troubles[0])
    const folder = await temporaryFolder()
    await rename(folder, dirname(path))
    await written(1)
    await rename(dirname(path), folder)
    expect(troubles.slice(0, 2)).toEqual([troubles[0], undefined])
  })

  test('is not written through a link that somebody has put beside it', async () => {
    const path = await place()
    const other = join(dirname(path), 'other')
    await writeFile(other, 'of somebody else')
    await symlink(other, `${path}.new`)
    const first = await process(path)
    first.record(success, [0])
    await first.file.stop()
    expect(await readFile(other, 'utf8')).toBe('of somebody else')
    expect((await lstat(path)).isFile()).toBe(true)
  })

  test('that is no regular file is left alone', async () => {
    const folder = await temporaryFolder()
    const { troubles, file, record } = await process(folder)
    record(success, [60])
    await file.stop()
    expect(troubles).toEqual([expect.stringContaining(`${folder}: it is not a regular file; `)])
    expect(file.report.writes).toEqual({ written: 0, failed: 0 })
  })
})

async function place(): Promise<string> {
  return join(await temporaryFolder(), 'history')
}

/** What an agent does with the file: it reads it before its first plan. */
async function process(
  path: string,
  planned: readonly PlannedTask[] = tasks,
  { everyMs = 60_000, node = 'node-1' } = {},
) {
  const memory = createMemory()
  const troubles: (string | undefined)[] = []
  const file = createHistoryFile({
    path,
    node,
    memory,
    onTrouble: (trouble) => troubles.push(trouble),
    everyMs,
  })
  onTestFinished(() => file.stop())
  await file.start()
  memory.setTasks(planned, performance.now())
  const nowMs = Date.now()
  return {
    memory,
    file,
    troubles,
    history: () => historyOf(memory, {}, nowMs),
    /** Records results that started this long ago. */
    record(make: (atMs: number) => AnyResult, agoSeconds: readonly number[]) {
      for (const ago of agoSeconds) for (const task of planned) memory.record(task, make(nowMs - ago * seconds), true)
    },
    /** Waits for so many writes from now on. */
    async written(count: number) {
      const before = file.report.writes.written
      await eventually(() => file.report.writes.written >= before + count, `${count} writes`)
    },
  }
}
