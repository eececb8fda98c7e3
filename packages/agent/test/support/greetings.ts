import type { Greeting } from '../../src/peers/greeting.ts'

export function greeting(name: string, more: Partial<Greeting> = {}): Greeting {
  return {
    name,
    namespace: 'scout',
    node: `node-of-${name}`,
    addresses: [],
    nodeAddresses: [],
    version: '1.0.0',
    startedAtMs: 1,
    ...more,
  }
}
