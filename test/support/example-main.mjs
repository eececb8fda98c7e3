// What test/support/example.ts starts in a network of its own: answers at the address of the documents while a program runs.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startHttpResponder, startUdpResponder } from '@scout/core'

const host = '10.244.1.31'
const document = () => ({ message: 'connected to scout' })
await startHttpResponder({ host, port: 8080, document })
await startHttpResponder({ host, port: 8081, document })
await startUdpResponder({ host, port: 8081 })

const program = spawn(process.execPath, process.argv.slice(2), { stdio: 'inherit' })
const [code] = await once(program, 'exit')
process.exit(code ?? 1)
