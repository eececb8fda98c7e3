import { expect, test } from 'vitest'
import { recordModules } from '../../../test/support/evaluated.ts'
import { loopback, startAgent } from './support/agent-process.ts'

const peers = { discovery: 'static', responder: { host: loopback(1), port: 0 } }
const onDemand = /hono|client-node|\/ws\/|outputs\/(?:page|text-log)\./

/** Returns the URLs of all modules that an agent evaluated, after it has answered requests for these paths. */
async function modulesAfter(
  ...requests: readonly (string | { readonly path: string; readonly accept: string })[]
): Promise<string> {
  const { env, modules } = recordModules()
  const agent = await startAgent(peers, ['env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)])
  for (const request of requests) {
    const { path, accept } = typeof request === 'string' ? { path: request, accept: '*/*' } : request
    expect((await fetch(`${agent.url}${path}`, { headers: { accept } })).status).toBe(200)
  }
  await agent.end('SIGTERM')
  const urls = modules().join('\n')
  expect(urls).toMatch(/outputs\/server\./)
  return urls
}

test('an agent answers for its health, metrics and API without loading the page or access to clusters', async () => {
  expect(await modulesAfter('/healthz', '/readyz', '/metrics', '/api/v1/snapshot', '/')).not.toMatch(onDemand)
})

test('an agent loads the page when a browser first requests it', async () => {
  expect(await modulesAfter({ path: '/', accept: 'text/html' })).toMatch(/hono/)
})
