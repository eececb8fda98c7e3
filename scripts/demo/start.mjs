import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../command.mjs'
import { prepare } from '../prepare.mjs'

await prepare('start')
// In this process, so that arguments, signals and the exit code are those of `npm start` itself.
await import(pathToFileURL(join(root, 'scripts/demo/demo.mjs')).href)
