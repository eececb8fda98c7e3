import { run } from './program.ts'
import { processIo } from './shell/io.ts'

process.exitCode = await run(process.argv.slice(2), processIo('scout-probe'))
