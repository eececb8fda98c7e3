import { expect, test } from 'vitest'
import { recordModules } from '../../../test/support/evaluated.ts'
import { loopback, startAgent } from './support/agent-process.ts'

const peers = { discovery: 'static', responder: { host: loopback(1), port: 0 } }
const onDemand = /hono|client-node|\/ws\/|outputs\/(?:site|page|text-log)\./

/** Returns the URLs of all modules that an agent evaluated, after it has answered requests for these paths. */
async function modulesAfter(...paths: readonly string[]): Promise<string> {
  const { env, modules } = recordModules()
  const agent = await startAgent(peers, ['env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)])
  for (const path of paths) expect((await fetch(`${agent.url}${path}`)).status).toBe(200)
  await agent.end('SIGTERM')
  const urls = modules().join('\n')
  expect(urls).toMatch(/outputs\/server\./)
  return urls
}

test('an agent answers for its health and metrics without loading the page, the API or access to clusters', async () => {
  expect(await modulesAfter('/healthz', '/readyz', '/metrics', '/')).not.toMatch(onDemand)
})

test('an agent loads the API when it is first requested', async () => {
  expect(await modulesAfter('/api/v1/snapshot')).toMatch(/hono/)
})
