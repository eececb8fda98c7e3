import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './command.mjs'
import { prepare } from './prepare.mjs'

await prepare('lab')
// In this process, so that the terminal, signals and the exit code are those of `npm run lab` itself.
await import(pathToFileURL(join(root, 'test/lab/dist/cli.js')).href)
