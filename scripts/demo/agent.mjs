// An agent that ends with whoever started it, `kill -9` included: the kernel then closes the channel between the two.

import { pathToFileURL } from 'node:url'
import { agentProgram } from './agents.mjs'

process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
// To listen for the end of a channel keeps a process alive (`subprocess.channel` in Node's documentation).
process.channel?.unref()
await import(pathToFileURL(agentProgram).href)
