import { expect, test } from 'vitest'
import { recordModules } from '../../../test/support/evaluated.ts'
import { loopback, startAgent } from './support/agent-process.ts'

const peers = { discovery: 'static', responder: { host: loopback(1), port: 0 } }
const onDemand = /client-node|opentelemetry|\/ws\/|outputs\/(text-log|otlp)\./

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

test('an agent answers for its health, metrics and API without loading access to clusters or exporters', async () => {
  expect(await modulesAfter('/healthz', '/readyz', '/metrics', '/api/v1/snapshot', '/')).not.toMatch(onDemand)
})
