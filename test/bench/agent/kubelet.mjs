import { get } from 'node:http'
import { gunzipSync } from 'node:zlib'

/** Paths of the console with the period of their requests: the chart's probes, and Prometheus. */
const requests = [
  { path: '/readyz', everyMs: 2_000 },
  { path: '/healthz', everyMs: 10_000 },
  { path: '/metrics', everyMs: 15_000 },
]

/**
 * Starts the requests that a kubelet and a Prometheus send to an agent. `failures` are the messages of those without a 200.
 *
 * @param {string} base
 */
export function startKubelet(base) {
  /** @type {string[]} */
  const failures = []
  const timers = requests.map(({ path, everyMs }) =>
    setInterval(() => {
      fetchText(`${base}${path}`).catch((/** @type {unknown} */ error) => failures.push(String(error)))
    }, everyMs),
  )
  return { failures, stop: () => timers.forEach(clearInterval) }
}

/**
 * Returns the body of a response with status 200. Uses a connection of its own, as the kubelet does: by the next scrape the agent has
 * closed that of the last one, too.
 *
 * @param {string} url
 * @returns {Promise<string>}
 */
export function fetchText(url) {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/plain;version=0.0.4', 'accept-encoding': 'gzip', connection: 'close' }
    const request = get(url, { agent: false, headers, timeout: 10_000 }, (response) => {
      /** @type {Buffer[]} */
      const parts = []
      response.on('data', (/** @type {Buffer} */ part) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url} answered ${response.statusCode}`))
        const bytes = Buffer.concat(parts)
        resolve((response.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString())
      })
    })
    request.on('timeout', () => request.destroy(new Error(`${url} did not answer in 10 s`)))
    request.on('error', reject)
  })
}
