#!/usr/bin/env node
import { runAgent } from './command.ts'

process.exitCode = await runAgent(process.argv.slice(2), process.env)
