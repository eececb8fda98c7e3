import { countText, spanText } from '../state/format.ts'
import type { Live } from '../state/live.ts'
import type { Route } from '../state/route.ts'
import { hashOf } from '../state/route.ts'
import type { Go } from './app.tsx'
import { At, useNowMs } from './times.tsx'

const views = [
  { view: 'mesh', title: 'Mesh' },
  { view: 'services', title: 'Services and DNS' },
  { view: 'self', title: 'This agent' },
] as const

interface Shown {
  readonly live: Live
  readonly route: Route
  readonly go: Go
}

export function Header({ live, route, go }: Shown) {
  const { link: _, ...rest } = route
  return (
    <header>
      <div class="bar">
        <h1>Scout {live.links !== undefined && <span class="dim">on {live.links.self.node}</span>}</h1>
        <nav aria-label="Views">
          {views.map(({ view, title }) => (
            <a href={hashOf({ ...rest, view })} aria-current={route.view === view ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Status live={live} isPast={route.atMs !== undefined} />
      </div>
      {route.atMs !== undefined && (
        <p class="notice past" role="status">
          {live.unknownPast === undefined ? 'Showing the past' : 'No record of this time'}: <At atMs={route.atMs} />
          {live.unknownPast !== undefined && ` (${live.unknownPast})`}.{' '}
          <button type="button" onClick={() => go({ atMs: undefined })}>
            Back to live
          </button>
        </p>
      )}
      <Partial live={live} />
    </header>
  )
}

const staleMs = 60_000

/** Says whether what is shown is current. */
function Status({ live, isPast }: { readonly live: Live; readonly isPast: boolean }) {
  const nowMs = useNowMs() - live.aheadMs
  const { answeredAtMs, trouble, isPaused, isStreaming } = live
  if (answeredAtMs === undefined) return <p class="status dim">{trouble === undefined ? 'connecting' : 'no answer'}</p>
  const silentMs = nowMs - answeredAtMs
  if (isPaused)
    return (
      <p class="status lost" role="status">
        Stale: as of {spanText(silentMs)} ago, because this tab was hidden; asking again
      </p>
    )
  const isLost = trouble !== undefined || silentMs > staleMs
  return (
    <p class={`status ${isLost ? 'lost' : 'dim'}`} role="status">
      {isLost
        ? `Stale: this agent has not answered for ${spanText(silentMs)}${trouble === undefined ? '' : ` (${trouble})`}`
        : isPast
          ? 'the past'
          : isStreaming
            ? 'live'
            : 'live, by polling'}
    </p>
  )
}

/** Says what of the mesh is not shown, and whose view it is. */
function Partial({ live: { links } }: { readonly live: Live }) {
  if (links === undefined) return null
  const { sees, isSpeaking, speaker, by, self } = links
  const isOwn = by === self.node
  if (sees.rows < sees.ready && (isSpeaking || !isOwn))
    return (
      <p class="notice" role="status">
        Partial: {isOwn ? 'this agent' : by} has the results of {sees.rows} of {countText(sees.ready, 'agent')}. None
        from {listText(sees.missing.map(({ node }) => node))}.
      </p>
    )
  if (isSpeaking) return null
  const known = isOwn
    ? `this agent knows them: it has the results of ${sees.rows} of ${countText(sees.ready, 'agent')}`
    : `${by} knows them`
  return (
    <p class="dim">
      {speaker === undefined ? 'No agent speaks for the mesh yet.' : `Incidents are as ${speaker} reports them.`}
      {(sees.rows < sees.ready || !isOwn) && ` Links are as ${known}.`}
    </p>
  )
}

function listText(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}
