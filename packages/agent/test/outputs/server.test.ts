import { once } from 'node:events'
import { connect } from 'node:net'
import type { Row } from '@scout/core'
import { expect, onTestFinished, test } from 'vitest'
import { collect } from '../../../../test/support/collect.ts'
import { historyOf, type SeriesHistory } from '../../src/memory/history.ts'
import { createMemory } from '../../src/memory/memory.ts'
import { type ConsoleOptions, startConsole } from '../../src/outputs/server.ts'
import { failure, success } from '../support/results.ts'
import { rowOf, seriesOf } from '../support/rows.ts'
import { known, tasksOf } from '../support/tasks.ts'

const document = { message: 'connected to scout', time: 'now' }

test('returns the reference document at /, and the page to a browser', async () => {
  const url = await consoleOf()
  const program = await fetch(url)
  expect(program.headers.get('content-type')).toBe('application/json')
  expect(await program.json()).toEqual(document)

  const browser = await fetch(url, { headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
  expect(browser.headers.get('content-type')).toBe('text/html; charset=UTF-8')
  expect(await browser.text()).toMatch(/^<!doctype html>/)
})

test('returns its row at /api/v1/snapshot', async () => {
  const row = rowOf({ series: [seriesOf({ tookSeconds: [0.001] })] })
  const response = await fetch(`${await consoleOf(row)}/api/v1/snapshot`)
  expect(await response.json()).toEqual(row)
})

test('returns the history of the selected series at /api/v1/history', async () => {
  const memory = createMemory()
  const tasks = tasksOf([known('a', { node: 'node-2' }), known('b', { node: 'node-3' })])
  memory.setTasks(tasks, 0)
  const nowMs = 1_700_000_040_000
  for (const task of tasks) memory.record(task, success(nowMs - 70_000), true)
  for (const task of tasks) memory.record(task, failure(nowMs), true)
  const console = await startConsole({ ...optionsOf(rowOf()), history: (query) => historyOf(memory, query, nowMs) })
  onTestFinished(console.close)
  const ask = async (query: string) => {
    const response = await fetch(`http://127.0.0.1:${console.port}/api/v1/history${query}`)
    return (await response.json()) as readonly SeriesHistory[]
  }
  const [one, ...others] = await ask('?to=node-3&check=tcp')
  expect(others).toEqual([])
  expect(one).toMatchObject({ check: 'tcp', to: 'node-3', recent: { spanMs: 10_000 }, day: { spanMs: 60_000 } })
  expect(one?.day.slots.map(({ passed, failed, reasons }) => [passed, failed, reasons])).toEqual([
    [1, 0, []],
    [0, 1, ['timeout']],
  ])
  expect((await ask('')).map(({ to }) => to)).toEqual(['node-2', 'node-3'])
  expect(await ask('?to=node-9')).toEqual([])
})

test('returns its metrics and those of the process at /metrics', async () => {
  const response = await fetch(`${await consoleOf()}/metrics`)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  expect(text).toContain('scout_build_info{version="1.2.3",node="node-1"} 1')
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
})

test('is alive without peers, and ready once it has found them', async () => {
  const unready = rowOf({ isReady: false, knowledge: { source: 'nothing yet', heardAtMs: 0 } })
  const url = await consoleOf(unready)
  expect(await statusAndJson(`${url}/healthz`)).toEqual([200, { status: 'ok' }])
  expect(await statusAndJson(`${url}/readyz`)).toEqual([503, { status: 'not ready', knowledge: unready.knowledge }])

  const ready = rowOf()
  expect(await statusAndJson(`${await consoleOf(ready)}/readyz`)).toEqual([
    200,
    { status: 'ok', knowledge: ready.knowledge },
  ])
})

test('is not alive when the probe thread does not respond', async () => {
  expect(await statusAndJson(`${await consoleOf(rowOf(), false)}/healthz`)).toEqual([
    503,
    { status: 'the probe thread does not respond' },
  ])
})

test('lists its paths for an unknown one', async () => {
  expect(await statusAndJson(`${await consoleOf()}/metric`)).toEqual([
    404,
    { message: 'there is nothing at /metric: try /, /metrics, /api/v1/snapshot, /api/v1/history, /healthz or /readyz' },
  ])
})

test.each(['/metrics', '/api/v1/snapshot'])(
  'answers %s with 500 and reports the defect when it cannot',
  async (path) => {
    const defects: unknown[] = []
    const failing = () => {
      throw new Error('no row')
    }
    const console = await startConsole({
      ...optionsOf(rowOf()),
      row: failing,
      onDefect: (error) => defects.push(error),
    })
    onTestFinished(console.close)
    expect(await statusAndJson(`http://127.0.0.1:${console.port}${path}`)).toEqual([
      500,
      { message: 'a defect in scout: see its log' },
    ])
    expect(defects).toEqual([new Error('no row')])
  },
)

test.each(['/', '/metrics', '/healthz', '/api/v1/snapshot'])('answers HEAD %s without a body', async (path) => {
  const response = await fetch(`${await consoleOf()}${path}`, { method: 'HEAD' })
  expect([response.status, await response.text()]).toEqual([200, ''])
})

test('answers a path with a query', async () => {
  expect(await statusAndJson(`${await consoleOf()}/healthz?verbose`)).toEqual([200, { status: 'ok' }])
})

test('rejects any other method', async () => {
  const response = await fetch(`${await consoleOf()}/healthz`, { method: 'POST' })
  expect(response.status).toBe(404)
})

test('closes while a client is in the middle of its request', async () => {
  const console = await startConsole(optionsOf(rowOf()))
  const client = connect(console.port, '127.0.0.1')
  client.write('GET /healthz HTTP/1.1\r\nHost: sc')
  await once(client, 'connect')
  // Connections are accepted in order.
  await fetch(`http://127.0.0.1:${console.port}/healthz`)
  const rest = collect(client)
  await console.close()
  expect(await rest).toEqual([])
})

test('closes while a client keeps its connection open', async () => {
  const console = await startConsole(optionsOf(rowOf()))
  const client = connect(console.port, '127.0.0.1')
  client.write('GET /healthz HTTP/1.1\r\nHost: scout\r\n\r\n')
  const answered = new Promise((resolve) => client.once('data', resolve))
  await answered
  const rest = collect(client)
  await console.close()
  expect(await rest).toEqual([])
})

async function consoleOf(row = rowOf(), isAlive = true): Promise<string> {
  const console = await startConsole(optionsOf(row, isAlive))
  onTestFinished(console.close)
  return `http://127.0.0.1:${console.port}`
}

function optionsOf(row: Row, isAlive = true): ConsoleOptions {
  const health = () => ({ isAlive, isReady: row.isReady, knowledge: row.knowledge })
  const onDefect = (error: unknown) => {
    throw error
  }
  return { host: '127.0.0.1', port: 0, row: () => row, history: () => [], health, document: () => document, onDefect }
}

async function statusAndJson(url: string): Promise<readonly [number, unknown]> {
  const response = await fetch(url)
  return [response.status, await response.json()]
}
