// Serves the page with the documents of a synthetic mesh: node test/page/synthetic-server.mjs [NODES] [PORT].

import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'
import { createPageFiles } from '../../packages/agent/dist/outputs/page-files.js'
import { createSyntheticMesh } from './synthetic-mesh.mjs'

/**
 * @typedef {object} SyntheticServer
 * @property {string} url
 * @property {() => number} streams number of open streams of events
 * @property {() => void} close
 *
 * @typedef {object} SyntheticOptions
 * @property {number} nodes
 * @property {number} [zones]
 * @property {number} [port]
 * @property {string} [token] of the API
 * @property {string} [firstNode] name of the first node
 * @property {string} [broken] path that answers with an empty document
 */

/**
 * @param {SyntheticOptions} options
 * @returns {Promise<SyntheticServer>}
 */
export async function startSyntheticServer({ nodes, zones = 3, port = 0, token, firstNode, broken }) {
  const mesh = createSyntheticMesh({ nodes, zones, nowMs: Date.now(), firstNode })
  const fileAt = createPageFiles()
  let streams = 0
  const respond = async (
    /** @type {import('node:http').IncomingMessage} */ request,
    /** @type {import('node:http').ServerResponse} */ response,
  ) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://scout')
    const file = await fileAt(pathname)
    if (file !== undefined) {
      const policy = `default-src 'none'; ${file.policy ?? ''}`
      response.writeHead(200, { 'content-type': file.type, 'content-security-policy': policy })
      return response.end(Buffer.concat(await file.make()))
    }
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ message: 'this agent needs the token of its setting console.token' }))
    }
    if (pathname === '/api/v1/events') {
      streams++
      response.once('close', () => streams--)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return response.write('event: changed\ndata: {}\n\n')
    }
    const content = pathname === broken ? {} : documentAt(mesh, pathname, searchParams)
    response.writeHead(content === undefined ? 404 : 200, { 'content-type': 'application/json' })
    return response.end(JSON.stringify(content ?? { message: `there is nothing at ${pathname}` }))
  }
  const server = createServer((request, response) => void respond(request, response))
  await /** @type {Promise<void>} */ (new Promise((resolve) => server.listen(port, '127.0.0.1', resolve)))
  const address = server.address()
  const listening = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${listening}/`,
    streams: () => streams,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/**
 * @param {ReturnType<typeof createSyntheticMesh>} mesh
 * @param {string} path
 * @param {URLSearchParams} query
 */
function documentAt(mesh, path, query) {
  switch (path) {
    case '/api/v1/links':
      return mesh.links(query.has('at') ? Number(query.get('at')) : undefined)
    case '/api/v1/incidents':
      return mesh.incidents()
    case '/api/v1/history':
      return mesh.history(query.get('from') ?? '', query.get('to') ?? '')
    case '/api/v1/link':
      return mesh.link(query.get('from') ?? '', query.get('to') ?? '')
    case '/api/v1/self':
      return mesh.self()
    default:
      return undefined
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [nodes = '3', port = '8099'] = process.argv.slice(2)
  const { url } = await startSyntheticServer({ nodes: Number(nodes), port: Number(port) })
  console.log(url)
}
