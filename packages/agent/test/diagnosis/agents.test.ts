import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { mostMessageBytes } from '../../src/diagnosis/message.ts'
import { type AgentProcess, loopback, startAgent } from '../support/agent-process.ts'

const timeout = 180_000
const names = ['a', 'b', 'c'] as const
type Name = (typeof names)[number]

const addressOf = (name: Name) => loopback(20 + names.indexOf(name))

describe('agents in processes of their own', { timeout }, () => {
  test('name a fault together, on the page of each, and log it once', async () => {
    const agents = await startAll('a secret')
    const speaker = await until(async () => speakerOf(agents))
    const victim = names.find((name) => name !== speaker) ?? 'c'
    const witness = names.find((name) => name !== speaker && name !== victim) ?? 'c'
    await agents[victim].end('SIGKILL')
    const [first] = await agents[speaker].logged(({ msg }) => msg === 'incident opened')
    expect(first?.level).toBe(40)
    const { incidents } = await until(async () => {
      const document = await incidentsOf(agents[witness])
      return document.incidents.length > 0 && document.speaker !== undefined ? document : undefined
    })
    expect(incidents[0]).toMatchObject({ kind: 'incident', cause: 'application-refusing' })
    const page = await fetch(agents[witness].url, { headers: { accept: 'text/html' } })
    expect(await page.text()).toContain('<h2>Incidents</h2>')
    expect(await metricsOf(agents[speaker])).toMatch(/^scout_incident_open\{cause="[^"]+",scope="[^"]+",.*\} 1$/m)
    expect(await metricsOf(agents[witness])).not.toMatch(/^scout_incident_open\{.*\} [^0]/m)
  })

  test('reject evidence of others than their peers, without a signature or of any size, and count it', async () => {
    const agents = await startAll('a secret')
    const send = async (query: string, body = '{}') => {
      const url = `http://${addressOf('a')}:${agents.a.responderPort}/evidence?${query}`
      const response = await fetch(url, { method: 'POST', body })
      return [response.status, await response.json()]
    }
    const rejected = (because: string) => [200, { accepted: false, because }]
    expect(await send('name=nobody&process=x&startedAtMs=1')).toEqual(rejected('unknown'))
    expect(await send('name=b&process=x&startedAtMs=1')).toEqual(rejected('unsigned'))
    expect((await send('name=b&process=x&startedAtMs=1', ' '.repeat(mostMessageBytes + 1)))[0]).toBe(413)
    const metrics = await metricsOf(agents.a)
    expect(metrics).toContain('scout_evidence_received_total{outcome="unknown"} 1\n')
    expect(metrics).toContain('scout_evidence_received_total{outcome="unsigned"} 1\n')
    await until(async () =>
      /responder="http",outcome="rejected"} 1$/m.test(await metricsOf(agents.a)) ? true : undefined,
    )
  })
})

/** Starts three agents that list each other and share a key. */
async function startAll(key: string): Promise<Readonly<Record<Name, AgentProcess>>> {
  const port = 20_000 + (process.pid % 20_000)
  const peers = names.map((name) => ({ name, addresses: [addressOf(name)], port }))
  const [a, b, c] = await Promise.all(
    names.map((name) =>
      startAgent({
        name,
        addresses: [addressOf(name)],
        responder: { host: addressOf(name), port, key },
        peers: peers.filter((peer) => peer.name !== name),
        checks: { tcp: { probe: 'tcp' }, udp: { probe: 'udp' } },
      }),
    ),
  )
  if (a === undefined || b === undefined || c === undefined) throw new Error('three agents were started')
  return { a, b, c }
}

interface Document {
  readonly speaker?: string
  readonly isSpeaking: boolean
  readonly sees: { readonly rows: number }
  readonly incidents: readonly { readonly kind: string; readonly closedAtMs?: number }[]
}

async function incidentsOf({ url }: AgentProcess): Promise<Document> {
  return (await (await fetch(`${url}/api/v1/incidents`)).json()) as Document
}

async function metricsOf({ url }: AgentProcess): Promise<string> {
  return (await fetch(`${url}/metrics`)).text()
}

/** Returns the one that speaks and has all rows. */
async function speakerOf(agents: Readonly<Record<Name, AgentProcess>>): Promise<Name | undefined> {
  for (const name of names) {
    const { isSpeaking, sees } = await incidentsOf(agents[name])
    if (isSpeaking && sees.rows === names.length) return name
  }
  return undefined
}

/** Asks ten times a second until there is a result. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await ask()
    if (found !== undefined) return found
    await sleep(100)
  }
}
