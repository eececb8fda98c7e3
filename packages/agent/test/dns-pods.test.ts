import { type Row, startDnsResponder } from '@scout/core'
import { expect, it, onTestFinished } from 'vitest'
import { listenUdp } from '../../../test/support/servers.ts'
import { startAgent } from './support/agent-process.ts'

it('an agent queries each server of cluster DNS, and shows which one is silent', { timeout: 30_000 }, async () => {
  const answering = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf: () => ['10.96.0.1'] })
  onTestFinished(() => answering.close())
  const silent = await listenUdp(() => {})
  const agent = await startAgent({
    name: 'scout-1',
    addresses: ['127.0.0.1'],
    responder: { host: '127.0.0.1', port: 0 },
    peers: [],
    dnsPods: [
      { name: 'dns-1', node: 'node-1', addresses: ['127.0.0.1'], port: answering.port },
      { name: 'dns-2', node: 'node-2', addresses: ['127.0.0.1'], port: silent.address().port },
    ],
    checks: { lookup: { probe: 'dns', target: 'scout.example', timeout: '300ms' } },
  })
  const statesIn = ({ series }: Row) =>
    Object.fromEntries(series.flatMap(({ path, to, state }) => (path === 'dns-pod' ? [[to, state]] : [])))
  await expect
    .poll(async () => statesIn(await agent.row()), { timeout: 20_000 })
    .toEqual({ 'node-1': 'ok', 'node-2': 'failing' })
  const row = await agent.row()
  expect(row.series.find(({ to }) => to === 'node-2')).toMatchObject({
    check: 'lookup',
    target: `scout.example@127.0.0.1:${silent.address().port}`,
    last: { failure: { reason: 'timeout' } },
  })
  expect(row.peers).toEqual([])
})
