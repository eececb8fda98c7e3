// npm run bench:agent: what one agent costs. By default a thousand peers on loopback, for lateness and loss (many.mjs); with --mesh an
// agent as in its pod, for processor time and memory (mesh.mjs).

const isMesh = process.argv.includes('--mesh')
await import(isMesh ? './mesh.mjs' : './many.mjs')
