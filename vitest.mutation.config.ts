import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const packages = fileURLToPath(new URL('packages', import.meta.url))

/** The tests that `npm run test:mutation` names, against the copy of the sources with the mutants, which stands beside this file. */
export default defineConfig({
  ssr: { resolve: { conditions: ['source', 'node', 'import', 'default'] } },
  // Otherwise node_modules leads from the copy to the originals.
  resolve: {
    alias: [
      { find: /^@scout\/(core|agent|cli)$/, replacement: `${packages}/$1/src/index.ts` },
      { find: /^@scout\/core\/settings$/, replacement: `${packages}/core/src/settings/index.ts` },
    ],
  },
  test: {
    include: JSON.parse(process.env['SCOUT_MUTATION_TESTS'] ?? '[]'),
    // A mutant often makes a test wait for what never comes.
    testTimeout: 8_000,
    hookTimeout: 8_000,
  },
})
