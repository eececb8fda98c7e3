import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { link } from '../../src/outputs/api/link-schema.ts'
import { type HistoryDocument, history, type LinksDocument, links } from '../../src/outputs/api/schemas.ts'
import { type AgentProcess, loopback, startAgent } from '../support/agent-process.ts'

const timeout = 120_000
const names = ['a', 'b', 'c', 'd'] as const
type Name = (typeof names)[number]
type Agents = Readonly<Record<Name, AgentProcess>>

const addressOf = (name: Name) => loopback(40 + names.indexOf(name))

describe('of four agents, three of which watch', { timeout }, () => {
  test('each shows the links of all and the history of any, and says whose they are', async () => {
    const agents = await startAll('a secret')
    const other = await otherThanWatchers(agents)
    // The watchers may not agree yet which of them speaks.
    const asked = await poll(
      () => linksOf(agents[other]),
      ({ by, speaker, links }) => by !== other && by === speaker && links.length === names.length * (names.length - 1),
    )
    expect(asked).toMatchObject({ self: { node: other }, isSpeaking: false })
    expect(asked.links.every(({ cells }) => cells.some(({ check }) => check === 'tcp'))).toBe(true)
    // Those of others come with evidence, once a minute at least.
    await poll(
      () => linksOf(agents[other]),
      ({ links }) => links.every(({ cells }) => cells.every(({ medianNs = 0 }) => medianNs > 0)),
    )

    const from = names.find((name) => name !== other) ?? 'a'
    const to = names.find((name) => name !== other && name !== from) ?? 'b'
    const asHeard = await historyOf(agents[other], `from=${from}&to=${to}&check=tcp`)
    expect(asHeard).toMatchObject({ from, to, series: [{ check: 'tcp', from, to }] })
    expect(asHeard.missing).toBeUndefined()
    expect(asHeard.series[0]?.recent.slots.length).toBeGreaterThan(0)

    const last = link.parse(await json(agents[other], `/api/v1/link?from=${from}&to=${to}`))
    expect(last).toMatchObject({ from, to, series: [{ check: 'tcp', to, last: { ok: true } }], collected: [] })
    expect(last.series[0]?.last?.phasesNs).toHaveProperty('connect')
    expect(await json(agents[other], '/api/v1/link?from=nowhere')).toMatchObject({
      series: [],
      missing: 'no agent on nowhere answers; its own page shows what it knows',
    })

    expect(await historyOf(agents[other], 'from=nowhere')).toMatchObject({
      from: 'nowhere',
      series: [],
      missing: 'no agent on nowhere answers; its own page shows what it knows',
    })
    // A watcher notes what there is once a round.
    for (const name of names.filter((name) => name !== other)) {
      await poll(
        () => linksOf(agents[name]),
        ({ record }) => record !== undefined,
      )
      await poll(
        () => linksOf(agents[name], `?at=${Date.now()}`),
        ({ nodes, links }) => nodes.length === names.length && links.length === names.length * (names.length - 1),
      )
    }
    const beforeMs = Date.now()
    await agents[from].end('SIGKILL')
    const gone = await poll(
      () => historyOf(agents[other], `from=${from}`),
      ({ missing }) => missing !== undefined,
    )
    expect(gone.series).toEqual([])

    // Its links fail now, and did not before: any agent says so, of any moment of the record.
    await poll(
      () => linksOf(agents[other]),
      (document) => failingIn(document).includes(from),
    )
    // Another watcher may speak by now, whose next note is yet to come.
    const past = await poll(
      () => linksOf(agents[other], `?at=${beforeMs}`),
      ({ nodes }) => nodes.length === names.length,
    )
    expect(failingIn(past)).not.toContain(from)
    expect([past.atMs, past.nodes.map(({ name }) => name)]).toEqual([beforeMs, [...names]])
    expect(past.links).toHaveLength(names.length * (names.length - 1))
    const present = await poll(
      () => linksOf(agents[other], `?at=${Date.now()}`),
      (document) => failingIn(document).includes(from),
    )
    expect(present.atMs).toBeGreaterThan(beforeMs)
    const early = await fetch(`${agents[other].url}/api/v1/links?at=1`)
    expect(early.status).toBe(400)
  })

  test('answer questions of their peers alone, if they are signed', async () => {
    const { a } = await startAll('a secret')
    const ask = async (query: string) =>
      (await fetch(`http://${addressOf('a')}:${a.responderPort}/document?document=links&${query}`)).status
    expect(await ask('name=nobody&process=x&startedAtMs=1')).toBe(404)
    // The request comes from another address of this host, which loopback allows.
    expect(await ask('name=b&process=x&startedAtMs=1')).toBe(404)
    expect(await ask('name=b&process=x&startedAtMs=1&signature=00')).toBe(404)
  })

  test('answer from what they know themselves, whatever they are asked', async () => {
    const { a } = await startAll('')
    const ask = (query: string) =>
      fetch(`http://${addressOf('a')}:${a.responderPort}/document?name=b&process=x&startedAtMs=1&${query}`)
    const answer = await ask('document=history&from=c')
    const { gzip } = (await answer.json()) as { readonly gzip: string }
    expect(JSON.parse(gunzipSync(Buffer.from(gzip, 'base64')).toString())).toMatchObject({ from: 'a' })
    for (const query of ['document=snapshot', 'document=__proto__', '']) expect((await ask(query)).status).toBe(404)
  })
})

async function startAll(key: string): Promise<Agents> {
  const port = 20_000 + (process.pid % 20_000)
  const peers = names.map((name) => ({ name, addresses: [addressOf(name)], port }))
  const [a, b, c, d] = await Promise.all(
    names.map((name) =>
      startAgent({
        name,
        addresses: [addressOf(name)],
        responder: { host: addressOf(name), port, key },
        peers: peers.filter((peer) => peer.name !== name),
        checks: { tcp: { probe: 'tcp' } },
        interval: '500ms',
      }),
    ),
  )
  if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('four were started')
  return { a, b, c, d }
}

/** Returns the agent that is no watcher, once all know each other. */
async function otherThanWatchers(agents: Agents): Promise<Name> {
  const watchers = await poll(
    async () =>
      (await (await fetch(`${agents.a.url}/api/v1/self`)).json()) as {
        readonly watchers: readonly string[]
        readonly peers: { readonly ready: number }
      },
    ({ watchers, peers }) => watchers.length === 3 && peers.ready === 3,
  )
  return names.find((name) => !watchers.watchers.includes(name)) ?? 'a'
}

async function linksOf(agent: AgentProcess, query = ''): Promise<LinksDocument> {
  return links.parse(await json(agent, `/api/v1/links${query}`))
}

async function json({ url }: AgentProcess, path: string): Promise<unknown> {
  return (await fetch(url + path)).json()
}

/** Returns the nodes to which a link fails. */
function failingIn({ links }: LinksDocument): readonly string[] {
  const failing = links.filter(({ cells }) => cells.some(({ state }) => state === 'failing'))
  return [...new Set(failing.map(({ to }) => to))]
}

async function historyOf(agent: AgentProcess, query: string): Promise<HistoryDocument> {
  return history.parse(await json(agent, `/api/v1/history?${query}`))
}

/** Asks ten times a second until the answer is as wanted; returns it. */
async function poll<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isWanted(answer)) return answer
    await sleep(100)
  }
}
