import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { mostMessageBytes } from '../../src/diagnosis/message.ts'
import { type AgentProcess, loopback, startAgent } from '../support/agent-process.ts'
import { type Created, startApiDouble } from '../support/api-double.ts'

const timeout = 180_000
const names = ['a', 'b', 'c'] as const
type Name = (typeof names)[number]

const addressOf = (name: Name) => loopback(20 + names.indexOf(name))

describe('agents in processes of their own', { timeout }, () => {
  test('name a fault together, in the API of each, and log it once', async () => {
    const api = await startApiDouble()
    const agents = await startAll('a secret', { nodeEvents: true, kubeApi: api.server })
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
    const spoken = await metricsOf(agents[speaker])
    expect(spoken).toMatch(/^scout_incident_open\{severity="warning"\} [1-9]/m)
    expect(spoken).toMatch(/^scout_incident_info\{id="\w+",cause="application-refusing",.*,summary="\w.+"\} 1$/m)
    expect(await metricsOf(agents[witness])).not.toMatch(/^scout_incident_(info|open\{.*\} [^0])/m)
    // Only the one that speaks writes Events.
    const isAboutVictim = ({ object }: Created) => Object(object['regarding']).name === victim
    await until(async () => (api.created.some(isAboutVictim) ? true : undefined))
    expect(new Set(api.created.map(({ object }) => object['reportingInstance']))).toEqual(new Set([speaker]))
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
async function startAll(key: string, more: object = {}): Promise<Readonly<Record<Name, AgentProcess>>> {
  const port = 20_000 + (process.pid % 20_000)
  const peers = names.map((name) => ({ name, addresses: [addressOf(name)], port }))
  const [a, b, c] = await Promise.all(
    names.map((name) =>
      startAgent({
        name,
        addresses: [addressOf(name)],
        responder: { host: addressOf(name), port, key },
        peers: peers.filter((peer) => peer.name !== name),
        ...more,
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

/** Returns the one that speaks once all have all rows. Before that, another may still take over. */
async function speakerOf(agents: Readonly<Record<Name, AgentProcess>>): Promise<Name | undefined> {
  const documents = await Promise.all(names.map(async (name) => ({ name, ...(await incidentsOf(agents[name])) })))
  const speaking = documents.filter(({ isSpeaking }) => isSpeaking)
  const haveAll = documents.every(({ sees }) => sees.rows === names.length)
  return haveAll && speaking.length === 1 ? speaking[0]?.name : undefined
}

/** Asks ten times a second until there is a result. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await ask()
    if (found !== undefined) return found
    await sleep(100)
  }
}
