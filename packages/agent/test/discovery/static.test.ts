import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createListDiscovery, openFileDiscovery } from '../../src/discovery/static.ts'
import type { Knowledge } from '../../src/peers/knowledge.ts'
import { temporaryFolder } from '../support/temporary.ts'

const one = '- { name: one, addresses: [10.0.0.1] }\n'
const two = `${one}- { name: two, node: node-2, zone: b, addresses: [10.0.0.2, fd00::2], port: 9000 }\n`

test('a list is reported once and never changes', async () => {
  const known: Knowledge[] = []
  const discovery = createListDiscovery([{ name: 'one', node: 'node-1', addresses: ['10.0.0.1'], port: 8081 }])
  await discovery.start((knowledge) => known.push(knowledge))
  discovery.stop()
  expect(known.map(({ peers }) => peers)).toEqual([
    [
      {
        id: 'one 10.0.0.1 8081',
        name: 'one',
        node: 'node-1',
        addresses: ['10.0.0.1'],
        port: 8081,
        state: 'ready',
        isAssumed: true,
      },
    ],
  ])
})

test('a file is reported at once, with defaults for missing fields', async () => {
  const { told } = await watched(two)
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({
    peers: [
      { name: 'one', node: 'one', addresses: ['10.0.0.1'], port: 8081, state: 'ready' },
      { name: 'two', node: 'node-2', zone: 'b', addresses: ['10.0.0.2', 'fd00::2'], port: 9000, state: 'ready' },
    ],
  })
  expect(told[0]).not.toHaveProperty('trouble')
})

test('an empty file means no peers', async () => {
  const { told } = await watched('')
  expect(told).toMatchObject([{ peers: [] }])
})

test.each([
  ['is missing', undefined, /^cannot read the peers in .*peers\.yaml: ENOENT: no such file or directory, open '.*'$/],
  [
    'is not YAML',
    '- [',
    /^cannot read the peers in .*peers\.yaml: Flow sequence in block collection must .* column 4$/,
  ],
  [
    'is not a list',
    'name: one',
    /^cannot use the peers in .*peers\.yaml: its content: \{ name: 'one' \} is not a list$/,
  ],
  [
    'has an invalid address',
    '- { name: one, addresses: [one.example] }',
    /^cannot use the peers in .*peers\.yaml: setting 0\.addresses\.0: "one\.example" is not an IP address$/,
  ],
  [
    'misspells a key',
    '- { name: one, adresses: [10.0.0.1] }',
    /^cannot use the peers in .*peers\.yaml: there is no setting 0\.adresses: did you mean addresses\?$/,
  ],
  ['names a peer twice', one + one, /^cannot use the peers in .*peers\.yaml: setting 1\.name: "one" is listed twice$/],
])('reports a usage error, before anything starts, if the file %s', async (_, content, message) => {
  const path = join(await temporaryFolder(), 'peers.yaml')
  if (content !== undefined) await writeFile(path, content)
  const opening = openFileDiscovery({ path, pollMs: 2, onBroken: () => {} })
  await expect(opening).rejects.toThrow(message)
  await expect(opening).rejects.toMatchObject({ name: 'ScoutError' })
})

test('a file is reloaded when it is written', async () => {
  const { path, until } = await watched(one)
  await writeFile(path, two)
  const { peers } = await until((knowledge) => knowledge.peers.length === 2)
  expect(peers.map(({ name }) => name)).toEqual(['one', 'two'])
})

test('a file is reloaded when it is replaced', async () => {
  const { path, until, told } = await watched(one)
  await replace(path, two)
  await until(({ peers }) => peers.length === 2)
  expect(told).toHaveLength(2)
})

test('a broken version is reported once and keeps the peers, until it is fixed', async () => {
  const { path, until, told, broken } = await watched(one)
  await replace(path, '- name: two\n')
  const { peers, trouble = '' } = await until((knowledge) => knowledge.trouble !== undefined)
  expect(peers.map(({ name }) => name)).toEqual(['one'])
  expect(trouble).toMatch(/^cannot use the peers in .*: setting 0\.addresses is missing$/)

  await replace(path, two)
  const mended = await until((knowledge) => knowledge.peers.length === 2)
  expect(mended).not.toHaveProperty('trouble')
  expect(broken.map(({ message }) => message)).toEqual([trouble])
  expect(told).toHaveLength(3)
})

test('a deleted file keeps the peers, and can come back', async () => {
  const { path, until, broken } = await watched(two)
  await rm(path)
  const { peers } = await until(({ trouble }) => trouble !== undefined)
  expect(peers).toHaveLength(2)
  await replace(path, one)
  await until(({ peers, trouble }) => peers.length === 1 && trouble === undefined)
  expect(broken).toHaveLength(1)
})

/** Starts a discovery with this file and records its reports. */
async function watched(content: string) {
  const path = join(await temporaryFolder(), 'peers.yaml')
  await writeFile(path, content)
  const told: Knowledge[] = []
  const broken: Error[] = []
  const discovery = await openFileDiscovery({ path, pollMs: 2, onBroken: (error) => broken.push(error) })
  onTestFinished(discovery.stop)
  let check = () => {}
  await discovery.start((knowledge) => {
    told.push(knowledge)
    check()
  })
  const until = (isWanted: (knowledge: Knowledge) => boolean) =>
    new Promise<Knowledge>((resolve) => {
      check = () => {
        const last = told.at(-1)
        if (last !== undefined && isWanted(last)) resolve(last)
      }
      check()
    })
  return { path, told, broken, until }
}

/** Replaces a file as editors and Kubernetes do. */
async function replace(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}
