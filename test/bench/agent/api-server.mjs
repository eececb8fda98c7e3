import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:https'

/*
 * The part of an API server that an agent in its cluster uses, over TLS: list and watch of one Service's EndpointSlices. Nothing ever
 * changes; watches receive a bookmark a minute, and end when their client asks. The double of the agent's tests has every misbehaviour
 * too, but is part of vitest.
 */

const slicesPath = /^\/apis\/discovery\.k8s\.io\/v1\/namespaces\/scout\/endpointslices$/
/** Kubernetes puts at most 100 endpoints into a slice. */
const endpointsInSlice = 100
const bookmarkPauseMs = 60_000
const version = '100'

/** @typedef {{ name: string, address: string }} Pod */

/**
 * Starts the server; `ca` is the certificate that it presents.
 *
 * @param {{ host: string, port: number, pods: readonly Pod[], responderPort: number }} options
 */
export async function startApiServer({ host, port, pods, responderPort }) {
  const { key, cert } = selfSigned(host)
  const token = 'token-of-the-service-account'
  const list = JSON.stringify({
    kind: 'EndpointSliceList',
    metadata: { resourceVersion: version },
    items: slicesOf(pods, responderPort),
  })
  const bookmark = `${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'EndpointSlice', metadata: { resourceVersion: version } } })}\n`
  const server = createServer({ key, cert }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://api')
    const isAllowed = request.headers.authorization === `Bearer ${token}`
    if (!isAllowed || !slicesPath.test(pathname)) {
      const code = isAllowed ? 404 : 401
      response.writeHead(code, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message: pathname, code }))
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    if (searchParams.get('watch') !== 'true') return response.end(list)
    response.flushHeaders()
    const bookmarks = setInterval(() => response.write(bookmark), bookmarkPauseMs)
    const end = setTimeout(() => response.end(), Number(searchParams.get('timeoutSeconds')) * 1000)
    return response.on('close', () => {
      clearInterval(bookmarks)
      clearTimeout(end)
    })
  })
  server.listen({ host, port })
  await once(server, 'listening')
  return { token, ca: cert }
}

/**
 * @param {readonly Pod[]} pods
 * @param {number} responderPort
 */
function slicesOf(pods, responderPort) {
  const count = Math.ceil(pods.length / endpointsInSlice)
  return Array.from({ length: count }, (_, index) => ({
    metadata: {
      name: `scout-${index}`,
      namespace: 'scout',
      resourceVersion: version,
      labels: { 'kubernetes.io/service-name': 'scout', 'service.kubernetes.io/headless': '' },
    },
    addressType: 'IPv4',
    endpoints: pods.slice(index * endpointsInSlice, (index + 1) * endpointsInSlice).map(({ name, address }) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-of-${name}`,
      zone: 'zone-1',
      targetRef: { kind: 'Pod', name, namespace: 'scout', uid: `uid-of-${name}` },
    })),
    ports: [
      { name: 'console', port: 8080, protocol: 'TCP' },
      { name: 'responder', port: responderPort, protocol: 'TCP' },
    ],
  }))
}

/** @param {string} address */
function selfSigned(address) {
  const flags = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=scout -keyout - -out -'
  const pem = execFileSync('openssl', ['req', ...flags.split(' '), '-addext', `subjectAltName=IP:${address}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return { key: block(pem, 'PRIVATE KEY'), cert: block(pem, 'CERTIFICATE') }
}

/**
 * @param {string} pem
 * @param {string} label
 */
function block(pem, label) {
  const [found] = new RegExp(`-----BEGIN ${label}-----.*?-----END ${label}-----\n`, 's').exec(pem) ?? []
  if (found === undefined) throw new Error(`openssl printed no ${label}`)
  return found
}
