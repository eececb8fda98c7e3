#!/usr/bin/env node
import { runAgent } from './command.ts'
import { giveBackSpareMemory } from './spare-memory.ts'

giveBackSpareMemory()
process.exitCode = await runAgent(process.argv.slice(2), process.env)
// Output for a reader that has stopped reading keeps a process alive.
setTimeout(() => process.exit(), 1_000).unref()
