import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Packages of this repository resolve to their sources, so that a test needs no build.
  ssr: { resolve: { conditions: ['source', 'module', 'node', 'import', 'default'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: ['default'],
  },
})
