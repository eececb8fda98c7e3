/** Holds TCP ports of both IP versions, so that no connection leaves from them: `port-holder PORT...`. */
import { once } from 'node:events'
import { createServer } from 'node:net'

const servers = process.argv.slice(2).map((port) => createServer().listen(Number(port), '::'))
await Promise.all(servers.map((server) => once(server, 'listening')))
console.log('ready')
