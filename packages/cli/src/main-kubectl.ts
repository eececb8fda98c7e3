import { run } from './program.ts'
import { processIo } from './shell/io.ts'

// kubectl finds its plugins by the name of their file (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/).
process.exitCode = await run(process.argv.slice(2), processIo('kubectl scout'))
