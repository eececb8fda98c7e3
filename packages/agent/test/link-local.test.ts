import { expect } from 'vitest'
import { namespaces, unshare } from '../../../test/support/child.ts'
import { testWith } from '../../../test/support/requirements.ts'
import { startAgent } from './support/agent-process.ts'

const setup = 'ip link set lo up && ip address add fe80::5/64 dev lo nodad && exec "$@"'

testWith('ip', namespaces)('a peer at a link-local address is greeted, and probed with every protocol', async () => {
  // The agent is its own peer under another name.
  const config = { name: 'a', addresses: [], peers: [{ name: 'b', addresses: ['FE80:0::5%lo'], port: 8081 }] }
  const agent = await startAgent({ ...config, responder: { port: 8081 } }, [...unshare, 'sh', '-c', setup, 'sh'])
  for (const check of ['http', 'http-large', 'tcp', 'syn', 'udp', 'icmp'])
    await agent.logged((line) => line.check === check && line.failure === undefined)
  await agent.logged(({ msg }) => msg === 'peer greeted')
  expect(agent.log.filter(({ err, failure }) => err !== undefined || failure !== undefined)).toEqual([])
})
