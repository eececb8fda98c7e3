import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'
import { seen } from './tool.ts'

export interface Blackbox {
  readonly pid: number
  /** Has a target probed by a module, and returns the metrics it answers with; undefined when the probe failed. */
  probe(module: 'icmp' | 'tcp' | 'http', target: string): Promise<ReadonlyMap<string, number> | undefined>
}

const port = 9115
const modules = {
  modules: {
    icmp: { prober: 'icmp', timeout: '3s', icmp: { preferred_ip_protocol: 'ip4' } },
    tcp: { prober: 'tcp', timeout: '3s', tcp: { preferred_ip_protocol: 'ip4' } },
    http: { prober: 'http', timeout: '3s', http: { preferred_ip_protocol: 'ip4' } },
  },
}

/** Starts blackbox_exporter, which ends with this process. */
export async function startBlackbox(): Promise<Blackbox> {
  const config = join(temporaryFolder(), 'blackbox.yml')
  await writeFile(config, JSON.stringify(modules)) // JSON is YAML
  const child = spawn(
    'prometheus-blackbox-exporter',
    [`--config.file=${config}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=info'],
    { stdio: 'pipe' },
  )
  await seen(child, /Listening on/)
  child.stdout.resume()
  child.stderr.resume()
  const { pid } = child
  if (pid === undefined) throw new Error('blackbox_exporter did not start')
  const agent = new Agent({ keepAlive: true })
  return {
    pid,
    async probe(module, target) {
      const url = `http://127.0.0.1:${port}/probe?module=${module}&target=${encodeURIComponent(target)}`
      const metrics = parseMetrics(await fetchText(url, agent))
      return metrics.get('probe_success') === 1 ? metrics : undefined
    },
  }
}

function fetchText(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}

function parseMetrics(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ')
      return [line.slice(0, space), Number(line.slice(space + 1))]
    }),
  )
}
