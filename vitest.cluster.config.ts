import { defineConfig } from 'vitest/config'

/** The end-to-end tests of a real cluster: `npm run test:cluster`. One file after the other, since they share the cluster. */
export default defineConfig({
  ssr: { resolve: { conditions: ['source', 'module', 'node', 'import', 'default'] } },
  test: {
    include: ['test/cluster/**/*.test.ts'],
    globalSetup: ['test/cluster/support/proxy.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    reporters: ['verbose'],
  },
})
