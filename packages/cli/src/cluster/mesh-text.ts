import { podLines } from '@scout/agent/kubernetes'
import {
  ageText,
  clockText,
  compareNames,
  failureGroups,
  failureSentence,
  type Link,
  type LinkState,
  type Mesh,
  nodesText,
  printable,
} from '@scout/core'
import { fold } from '../render/words.ts'
import type { Output } from '../shell/io.ts'
import { closedText, incidentsText } from './incident-text.ts'
import { linkMatrix } from './link-matrix.ts'
import type { Look } from './seen.ts'

const indent = '    '

/** Maximum number of sentences printed; --json has the rest. */
const shownSentences = 20

/** Maximum number of open incidents printed, the gravest; --json has the rest. */
const shownIncidents = 20

/** Maximum number of closed incidents on a screen. */
const shownClosed = 5

/** Renders the incidents, the pods by node, the matrix of links, its summary, and sentences about failing and unknown links. */
export function renderMesh(look: Look, isExplained: boolean, out: Output): string {
  return sections([sourceOf(look, out), openIncidents(look, isExplained, out), pods(look), ...links(look, out)])
}

/** Renders the same for a screen, whose end may be cut off: what changes comes first. */
export function renderWatched(look: Look, isExplained: boolean, out: Output): string {
  const open = openIncidents(look, isExplained, out)
  const closed = look.incidents
    .filter(({ state }) => state === 'closed')
    .toSorted((a, b) => (b.closedAtMs ?? 0) - (a.closedAtMs ?? 0))
    .slice(0, shownClosed)
    .map((incident) => closedText(incident, look.nowMs))
  return sections([
    sourceOf(look, out),
    open === '' ? `${out.colours.green('no incidents')}\n` : open,
    ...links(look, out),
    lines(look.oddities, out),
    lines(closed, out),
    pods(look),
  ])
}

function sections(all: readonly string[]): string {
  return all.filter((section) => section !== '').join('\n')
}

/** `at 2026-01-02 12:00:00 (2h0m0s ago), from http://127.0.0.1:9090: samples of 3 agents, 3s to 14s older` */
function sourceOf({ source, reports }: Look, out: Output): string {
  if (source === undefined) return ''
  const { server, atMs, isPast, newestSampleAtMs, oldestSampleAtMs } = source
  const nowMs = Date.now()
  const when = isPast ? `at ${clockText(atMs, nowMs)} (${ageText(nowMs - atMs)} ago), ` : ''
  const agents = reports.filter(({ answer }) => answer.ok).length
  const ages = [...new Set([newestSampleAtMs, oldestSampleAtMs].map((ms) => ageText(atMs - ms)))].join(' to ')
  return lines(
    [
      `${when}from ${server}: samples of ${agents === 1 ? 'one agent' : `${agents} agents`}, ${ages} ${isPast ? 'older' : 'old'}`,
    ],
    out,
  )
}

function openIncidents({ incidents, nowMs }: Look, isExplained: boolean, out: Output): string {
  const open = incidents.filter(({ state }) => state !== 'closed')
  const hidden = open.length - shownIncidents
  const shown = incidentsText(open.slice(0, shownIncidents), { nowMs, isExplained }, out)
  return hidden > 0 ? `${shown}\n${lines([`and ${counted(hidden, 'more incident')}: --json lists all`], out)}` : shown
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function pods({ reports }: Look): string {
  const agents = reports.map(({ agent }) => agent).toSorted((a, b) => compareNames(a.node, b.node))
  const silent = new Set(reports.flatMap(({ agent, answer }) => (answer.ok ? [] : [agent.id])))
  const found = podLines(agents, ({ id }) => (silent.has(id) ? ['no answer'] : []))
  return `${found.map(printable).join('\n')}\n`
}

function links(look: Look, out: Output): readonly string[] {
  const { mesh } = look
  return [linkMatrix(mesh, out), lines([summaryOf(mesh)], out), lines(failures(look), out), lines(remarks(look), out)]
}

function lines(sentences: readonly string[], { columns = Number.POSITIVE_INFINITY }: Output): string {
  return sentences.map((sentence) => `${fold(printable(sentence), columns, indent).join('\n')}\n`).join('')
}

/** `6 links between 3 nodes: 5 ok, 1 failing; dns on 3 nodes: 3 ok` */
export function summaryOf({ nodes, links, own, ownChecks }: Mesh): string {
  const size = links.length === 0 ? 'one node, so no links' : `${links.length} links between ${nodes.length} nodes: `
  return [
    `${size}${counts(links)}`,
    ...(own.length === 0
      ? []
      : [`${ownChecks.join(', ')} on ${own.length === 1 ? 'it' : `${own.length} nodes`}: ${counts(own)}`]),
  ].join('; ')
}

function counts(links: readonly Link[]): string {
  const states: readonly LinkState[] = ['ok', 'failing', 'waiting', 'not probed', 'unknown']
  return states
    .map((state) => [links.filter((link) => link.state === state).length, state] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${state}`)
    .join(', ')
}

function failures({ mesh, nowMs }: Look): readonly string[] {
  const groups = failureGroups([...mesh.links, ...mesh.own])
  return some(groups.map((group) => failureSentence(group, nowMs)))
}

function remarks({ reports, mesh: { nodes, inabilities }, source }: Look): readonly string[] {
  const troubles = new Map<string, readonly string[]>()
  for (const { agent, answer } of reports) {
    const trouble = answer.ok ? answer.trouble : undefined
    if (trouble !== undefined) troubles.set(trouble, [...(troubles.get(trouble) ?? []), agent.node])
  }
  return [
    ...some(
      reports.flatMap(({ agent: { node, name }, answer }) =>
        answer.ok
          ? []
          : [
              `${node}: no ${source === undefined ? 'answer' : 'samples'} from ${name}, so its links are unknown: ${answer.message}`,
            ],
      ),
    ),
    ...[...troubles].map(([trouble, where]) => `${nodesText(where)}: the list of peers may be wrong: ${trouble}`),
    ...inabilities.map(({ check, message, nodes: unable }) => {
      const where = unable.length === nodes.length ? 'on any node' : `on ${nodesText(unable)}`
      return `${check} cannot be made ${where}: ${message}`
    }),
    ...(source === undefined ? [] : [...source.remarks, ...some(source.zones)]),
  ]
}

/** Returns the first sentences, and how many more there are. */
export function some(sentences: readonly string[]): readonly string[] {
  const hidden = sentences.length - shownSentences
  return hidden > 0 ? [...sentences.slice(0, shownSentences), `and ${hidden} more: --json lists all`] : sentences
}
