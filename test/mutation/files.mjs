/** What `npm run test:mutation` changes, and the tests that should notice. @type {readonly { file: string, tests: readonly string[] }[]} */
export const files = [
  {
    file: 'packages/core/src/time/deadline.ts',
    tests: ['packages/core/test/time/deadline.test.ts', 'packages/core/test/attempt/run.test.ts'],
  },
  { file: 'packages/core/src/attempt/placement.ts', tests: ['packages/core/test/attempt/placement.test.ts'] },
  { file: 'packages/core/src/attempt/rounds.ts', tests: ['packages/core/test/attempt/rounds.test.ts'] },
  { file: 'packages/core/src/attempt/result-batches.ts', tests: ['packages/core/test/attempt/result-batches.test.ts'] },
  {
    file: 'packages/core/src/attempt/packet-rounds.ts',
    tests: ['packages/core/test/attempt/packet-rounds.test.ts', 'packages/core/test/attempt/tasks.test.ts'],
  },
  { file: 'packages/core/src/mesh/links.ts', tests: ['packages/core/test/mesh/*.test.ts'] },
  { file: 'packages/core/src/mesh/failures.ts', tests: ['packages/core/test/mesh/*.test.ts'] },
  { file: 'packages/core/src/net/packets/fate.ts', tests: ['packages/core/test/net/packets/fate.test.ts'] },
  { file: 'packages/core/src/net/packets/exchange.ts', tests: ['packages/core/test/net/packets/exchange*.test.ts'] },
  { file: 'packages/core/src/net/tcp/http-heads.ts', tests: ['packages/core/test/net/tcp/http-heads.test.ts'] },
  { file: 'packages/core/src/net/tcp/http-exchange.ts', tests: ['packages/core/test/net/tcp/http-exchange.test.ts'] },
  { file: 'packages/agent/src/peers/roster.ts', tests: ['packages/agent/test/peers/roster.test.ts'] },
  { file: 'packages/agent/src/peers/goodbyes.ts', tests: ['packages/agent/test/peers/roster.test.ts'] },
  { file: 'packages/agent/src/memory/settlement.ts', tests: ['packages/agent/test/memory/settlement.test.ts'] },
  {
    file: 'packages/agent/src/memory/memory.ts',
    tests: ['packages/agent/test/memory/memory.test.ts', 'packages/agent/test/memory/rollout.test.ts'],
  },
  { file: 'packages/cli/src/shell/exit-code.ts', tests: ['packages/cli/test/shell/exit-code.test.ts'] },
]
