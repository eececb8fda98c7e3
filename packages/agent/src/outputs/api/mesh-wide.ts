import type { z } from 'zod'
import type { Busy, Document, Unusable } from '../documents.ts'
import type { ConsoleOptions } from '../server.ts'
import { type Asked, createAsked, type Unreadable } from './asked.ts'
import { type LinkDocument, link as linkSchema } from './link-schema.ts'
import { linksDocument, pastLinksDocument } from './links.ts'
import { type HistoryDocument, history as historySchema, type LinksDocument, links as linksSchema } from './schemas.ts'

/** The documents about more than this agent: it asks another one for what it does not hold itself. */
export interface MeshWide {
  links(query: URLSearchParams): Promise<Document | Unusable | Busy>
  history(query: URLSearchParams): Promise<Document | Unusable | Busy>
  link(query: URLSearchParams): Promise<Document | Unusable | Busy>
  /** Returns the document that a peer asks for, from what this agent knows itself; undefined if there is none. */
  ownFor(question: URLSearchParams): Document | undefined
}

const busy: Busy = { isBusy: true }

const wallClock = /^\d{1,15}$/

/** Longest name of a node or check that is looked for. */
const mostLength = 253

/** The documents about the links of one node, which its own agent makes. */
const kinds = ['history', 'link'] as const
type Kind = (typeof kinds)[number]

interface LinkQuery {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly check?: string | undefined
}

export type MeshWideOptions = Pick<
  ConsoleOptions,
  'node' | 'row' | 'mesh' | 'history' | 'speaker' | 'timeline' | 'hasPeerOn' | 'ask'
>

export function createMeshWide({
  node: ownNode,
  row,
  mesh,
  history,
  speaker,
  timeline,
  hasPeerOn,
  ask,
}: MeshWideOptions): MeshWide {
  const asked = createAsked(ask)

  const ownLinks = (): LinksDocument => linksDocument({ mesh: mesh(), row: row(), record: timeline.span })

  const ownPastLinks = (atMs: number): Document | undefined => {
    const moment = timeline.at(atMs)
    if (moment === undefined) return undefined
    return tagged(`/api/v1/links ${atMs}`, () =>
      pastLinksDocument({ mesh: mesh(), row: row(), record: timeline.span }, moment),
    )
  }

  const pastLinks = async (atMs: number): Promise<Document | Unusable | Busy> => {
    const own = ownPastLinks(atMs)
    if (own !== undefined) return own
    // One that has begun to watch only since remembers less than another.
    for (const node of speaker().watchers) {
      const question = new URLSearchParams({ document: 'links', at: String(atMs) })
      const answer = node === ownNode ? undefined : await asked(node, question)
      if (answer === 'busy') return busy
      if (typeof answer === 'object') return tagged(`/api/v1/links ${answer.id}`, () => linksOf(answer))
    }
    return { unusable: `at: no watcher remembers that time; the record here ${spanText(timeline.span)}` }
  }

  /** Returns the node of the watcher that knows what this agent does not. */
  const watcherToAsk = (): string | undefined => {
    const { speaker: node, watchers } = speaker()
    return watchers.includes(ownNode) ? undefined : node
  }

  const ownHistory = ({ to, check }: LinkQuery): HistoryDocument => {
    return { takenAtMs: Date.now(), from: ownNode, to, ...history({ to, check }) }
  }

  const ownLink = ({ to }: LinkQuery): LinkDocument => {
    const { takenAtMs, series, collected } = row()
    const isWanted = (one: { readonly to?: string | undefined }) => to === undefined || one.to === to
    return {
      takenAtMs,
      from: ownNode,
      to,
      series: series.filter(isWanted),
      collected: linkSchema.shape.collected.parse(collected.filter(isWanted)),
    }
  }

  /** Returns the links as the watcher that speaks sees them, which has another clock. */
  const linksOf = ({ document }: Asked): LinksDocument => {
    const theirs = linksSchema.safeParse(document).data
    if (theirs === undefined) return ownLinks()
    const { node, name, version } = row().self
    return { ...theirs, takenAtMs: Date.now(), self: { node, name, version }, isSpeaking: false }
  }

  const historyOf = (answer: Answer, { from = '', to }: LinkQuery): HistoryDocument => {
    const takenAtMs = Date.now()
    const read = readAnswer(historySchema, answer, from)
    if (typeof read === 'object') return { ...read, takenAtMs }
    return { takenAtMs, from, to, missing: missingText(from, read), series: [], failures: [] }
  }

  const linkOf = (answer: Answer, { from = '', to }: LinkQuery): LinkDocument => {
    const takenAtMs = Date.now()
    const read = readAnswer(linkSchema, answer, from)
    if (typeof read === 'object') return { ...read, takenAtMs }
    return { takenAtMs, from, to, missing: missingText(from, read), series: [], collected: [] }
  }

  const own: Readonly<Record<Kind, (query: LinkQuery) => object>> = { history: ownHistory, link: ownLink }
  const received = { history: historyOf, link: linkOf }

  const ofNode = async (kind: Kind, query: URLSearchParams): Promise<Document | Unusable | Busy> => {
    const request = linkQuery(query)
    const { from, to, check } = request
    if ([from, to, check].some((name) => name !== undefined && name.length > mostLength))
      return { unusable: `names of nodes and checks have at most ${mostLength} characters` }
    if (from === undefined || from === ownNode)
      return tagged(JSON.stringify([kind, to, check]), () => own[kind](request))
    if (!hasPeerOn(from)) return tagged(JSON.stringify([kind, from]), () => received[kind](undefined, request))
    const answer = await asked(from, new URLSearchParams([['document', kind], ...given({ to, check })]))
    if (answer === 'busy') return busy
    const id = typeof answer === 'object' ? answer.id : answer
    return tagged(JSON.stringify([kind, from, to, check, id]), () => received[kind](answer, request))
  }

  return {
    async links(query) {
      const at = query.get('at')
      if (at !== null) {
        if (!wallClock.test(at)) return { unusable: 'at: write a wall clock in milliseconds since 1970' }
        return pastLinks(Number(at))
      }
      const watcher = watcherToAsk()
      const question = new URLSearchParams({ document: 'links' })
      const answer = watcher === undefined ? undefined : await asked(watcher, question)
      if (answer === 'busy') return busy
      if (typeof answer !== 'object') return tagged('/api/v1/links', ownLinks)
      return tagged(`/api/v1/links ${answer.id}`, () => linksOf(answer))
    },
    history: async (query) => ofNode('history', query),
    link: async (query) => ofNode('link', query),
    ownFor(question) {
      const at = question.get('at')
      if (question.get('document') === 'links') {
        if (at === null) return tagged('/api/v1/links', ownLinks)
        return wallClock.test(at) ? ownPastLinks(Number(at)) : undefined
      }
      const kind = kinds.find((one) => one === question.get('document'))
      const request = linkQuery(question)
      const { to = '', check = '' } = request
      if (kind === undefined || Math.max(to.length, check.length) > mostLength) return undefined
      return tagged(JSON.stringify([kind, request.to, request.check]), () => own[kind](request))
    },
  }
}

type Answer = Asked | Unreadable | undefined

/** Returns the document of a node that an answer contains, or why it has none; undefined if there is no answer. */
function readAnswer<Document extends { readonly from: string }>(
  schema: z.ZodType<Document>,
  answer: Answer,
  from: string,
): Document | Unreadable | undefined {
  if (typeof answer !== 'object') return answer
  const { data, error } = schema.safeParse(answer.document)
  if (data?.from === from) return data
  return error?.issues.some(({ code }) => code === 'too_big') === true ? 'too-large' : 'malformed'
}

function missingText(node: string, why: Unreadable | undefined): string {
  return `${whyMissing(node, why)}; its own page shows what it knows`
}

function whyMissing(node: string, why: Unreadable | undefined): string {
  switch (why) {
    case undefined:
      return `no agent on ${node} answers`
    case 'refused':
      return `the agent on ${node} does not answer this one: it does not know it, is asked too much, or has another version`
    case 'too-large':
      return `the agent on ${node} has more than another one shows, such as 5000 series`
    case 'malformed':
      return `the agent on ${node} gives an answer that this one cannot read: it may have another version`
  }
}

function spanText(span: MeshWideOptions['timeline']['span']): string {
  if (span === undefined) return 'has not begun yet'
  return `goes from ${new Date(span.fromMs).toISOString()} to ${new Date(span.toMs).toISOString()}`
}

function given(query: LinkQuery): readonly [string, string][] {
  return Object.entries(query).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'string' ? [[name, value] satisfies [string, string]] : [],
  )
}

function linkQuery(query: URLSearchParams): LinkQuery {
  const [from, to, check] = ['from', 'to', 'check'].map((name) => query.get(name) ?? undefined)
  return { from, to, check }
}

/** Returns a JSON document with an ETag. */
export function tagged(name: string, make: () => object | Promise<object>): Document {
  return {
    name,
    type: 'application/json',
    isTagged: true,
    make: async () => [Buffer.from(JSON.stringify(await make()))],
  }
}
