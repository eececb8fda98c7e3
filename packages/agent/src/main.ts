#!/usr/bin/env node
import { runAgent } from './command.ts'
import { giveBackSpareMemory } from './spare-memory.ts'

giveBackSpareMemory()
process.exitCode = await runAgent(process.argv.slice(2), process.env)
