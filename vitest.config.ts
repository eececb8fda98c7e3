import { defineConfig } from 'vitest/config'

/** What differs where @scout/core has to do with what Node and its packages have. */
const providers = [
  'packages/core/test/probes/**/*.test.ts',
  'packages/core/test/{doctor/means,net/packets/exchange}.test.ts',
  'test/contract/**/*.test.ts',
]
const core = ['packages/core/test/**/*.test.ts', 'test/contract/**/*.test.ts']
// These spend most of their time waiting for agents in network namespaces of their own.
const meshes = [
  'packages/cli/test/{kept-flows,mtu}.test.ts',
  'test/{lab,monitoring,page,scoreboard}/**/*.test.ts',
  'test/start.test.ts',
]

export default defineConfig({
  // Packages of this repository resolve to their sources, so that a test needs no build.
  ssr: { resolve: { conditions: ['source', 'node', 'import', 'default'] } },
  test: {
    reporters: ['default'],
    // For what hangs; no test measures by it.
    testTimeout: 30_000,
    // What hooks build, such as networks, takes long on a busy machine; a hook that fails is not repeated.
    hookTimeout: 120_000,
    // Half of the time tests wait.
    maxWorkers: 3,
    projects: [
      // These leave nothing behind, which is among what they test, so their files share a process and load the library once.
      { extends: true, test: { name: 'core', include: core, isolate: false } },
      {
        extends: true,
        test: { name: 'core without its native part', include: providers, isolate: false, env: { SCOUT_NATIVE: '0' } },
      },
      {
        extends: true,
        // Those in test/cluster need a cluster: npm run test:cluster.
        test: {
          name: 'all else',
          include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...core, ...meshes, 'test/cluster/**'],
        },
      },
      { extends: true, test: { name: 'meshes', include: meshes, maxWorkers: 2, sequence: { groupOrder: 1 } } },
    ],
  },
})
