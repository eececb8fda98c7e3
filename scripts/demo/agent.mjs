// An agent that ends with the process that started it, even by `kill -9`: the kernel then closes the channel between them.

import { pathToFileURL } from 'node:url'
import { agentProgram } from './agents.mjs'

process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
// A listener for the end of a channel keeps a process alive (`subprocess.channel` in Node's documentation).
process.channel?.unref()
await import(pathToFileURL(agentProgram).href)
