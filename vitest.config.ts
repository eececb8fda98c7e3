import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Workspaces resolve to their sources, so tests need no build.
  ssr: { resolve: { conditions: ['source', 'module', 'node', 'import', 'default'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    environment: 'node',
    passWithNoTests: true,
  },
})
