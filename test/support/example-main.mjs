// What test/support/example.ts starts in a separate network: answers at the addresses of the documents while a command runs.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startHttpResponder, startUdpResponder } from '@scout/core'

const document = () => ({ message: 'connected to scout' })
for (const host of ['10.244.1.31', '10.244.2.10']) {
  await startHttpResponder({ host, port: 8080, document })
  await startHttpResponder({ host, port: 8081, document })
  await startUdpResponder({ host, port: 8081 })
}

const [file = '', ...args] = process.argv.slice(2)
const program = spawn(file, args, { stdio: 'inherit' })
// Ctrl-C is for the program.
process.on('SIGINT', () => {})
const [code] = await once(program, 'exit')
process.exit(code ?? 1)
