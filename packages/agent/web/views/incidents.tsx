import { useEffect, useRef, useState } from 'preact/hooks'
import { failuresText } from '../matrix/model.ts'
import type { IncidentReport, IncidentsDocument, LinksDocument } from '../state/documents.ts'
import { countText, spanText } from '../state/format.ts'
import { hashOf, type Route } from '../state/route.ts'
import type { Go } from './app.tsx'
import { Ago, At } from './times.tsx'

interface Shown {
  readonly links: LinksDocument
  readonly incidents: IncidentsDocument | undefined
  readonly route: Route
  readonly go: Go
}

/** Incidents at the time that is shown, the gravest first; those that are over are below. */
export function Incidents({ links, incidents, route, go }: Shown) {
  const { atMs } = route
  const known = incidents?.incidents ?? []
  const lasting = known.filter(({ state, openedAtMs, closedAtMs = Number.POSITIVE_INFINITY }) =>
    atMs === undefined ? state !== 'closed' : openedAtMs <= atMs && closedAtMs > atMs,
  )
  const closed = atMs === undefined ? known.filter(({ state }) => state === 'closed') : []
  return (
    <section aria-labelledby="incidents">
      <h2 id="incidents">Incidents</h2>
      {lasting.length === 0 && <Verdict links={links} />}
      {lasting.map((incident, index) => (
        <Incident key={incident.id} incident={incident} isFirst={index === 0} route={route} go={go} />
      ))}
      {closed.length > 0 && (
        <details class="closed" open={closed.some(({ id }) => id === route.incident)}>
          <summary>{closed.length} closed</summary>
          {closed.map((incident) => (
            <Incident key={incident.id} incident={incident} isFirst={false} route={route} go={go} />
          ))}
        </details>
      )}
    </section>
  )
}

/** Without an incident, says what the links show. */
function Verdict({ links: { links, others } }: { readonly links: LinksDocument }) {
  const failing = [...links, ...others].filter(({ cells }) => cells.some(({ state }) => state === 'failing'))
  const known = links.filter(({ cells }) => cells.some(({ state }) => state === 'ok' || state === 'failing'))
  if (failing.length > 0) {
    const [first] = failing
    const to = first === undefined ? '' : 'to' in first ? first.to : first.target
    return (
      <p>
        {countText(failing.length, 'path')} {failing.length === 1 ? 'fails' : 'fail'}, too recently for an incident or
        without a known cause
        {first !== undefined && `: ${first.from} → ${to}: ${failuresText(first.cells)}`}.
      </p>
    )
  }
  if (known.length === 0) return <p>No link has a result yet.</p>
  return (
    <p>None. {known.length === 1 ? 'The one link' : `All ${countText(known.length, 'link')}`} with results pass.</p>
  )
}

interface IncidentShown {
  readonly incident: IncidentReport
  readonly isFirst: boolean
  readonly route: Route
  readonly go: Go
}

function Incident({ incident, isFirst, route, go }: IncidentShown) {
  const { id, cause, severity, state, summary, confidence, openedAtMs, closedAtMs, evidence, ruledOut, next } = incident
  const { rivals = [], scope } = incident
  const element = useRef<HTMLDetailsElement>(null)
  const isWanted = route.incident === id
  const isPast = route.atMs !== undefined
  useEffect(() => {
    if (isWanted) element.current?.scrollIntoView({ block: 'nearest' })
  }, [isWanted])
  const isClosed = !isPast && state === 'closed'
  return (
    <details
      class={`incident ${isClosed ? 'over' : severity}`}
      open={isWanted || (isFirst && route.incident === undefined)}
      ref={element}
    >
      <summary>
        <span class="severity">{isClosed ? 'closed' : severity}</span> <strong>{summary}</strong>{' '}
        <span class="dim">
          {closedAtMs === undefined || isPast ? (
            <>
              since <Ago atMs={openedAtMs} />
            </>
          ) : (
            <>
              <Ago atMs={closedAtMs} />, lasted {spanText(closedAtMs - openedAtMs)}
            </>
          )}
          {state === 'transient' && !isPast && ', too short to count yet'}
        </span>
      </summary>
      <dl>
        <dt>Cause</dt>
        <dd>
          {cause} ({confidence >= 0.9 ? 'sure' : 'likely'}, {Math.round(100 * confidence)} %)
          {rivals.map((rival) => (
            <p key={rival.cause}>
              or {rival.cause} ({Math.round(100 * rival.confidence)} %): {rival.separatedBy}
            </p>
          ))}
        </dd>
        <dt>Since</dt>
        <dd>
          <At atMs={openedAtMs} />
        </dd>
        <dt>Evidence</dt>
        <dd>
          <ul>
            {evidence.map((clause) => (
              <li>{clause}</li>
            ))}
          </ul>
        </dd>
        {ruledOut.length > 0 && (
          <>
            <dt>Ruled out</dt>
            <dd>
              <ul>
                {ruledOut.map((other) => (
                  <li key={other.cause}>
                    {other.cause}: {other.because}
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
        <dt>Next</dt>
        <dd>
          <Command text={next} />
        </dd>
        <dt>Where</dt>
        <dd class="where">
          <Where scope={scope} go={go} />
          <a href={hashOf({ ...route, incident: id })}>incident {id}</a>
        </dd>
      </dl>
    </details>
  )
}

/** Leads from a scope to the links concerned. */
function Where({ scope, go }: { readonly scope: IncidentReport['scope']; readonly go: Go }) {
  switch (scope.kind) {
    case 'link': {
      const { from, to } = scope
      return (
        <button type="button" onClick={() => go({ view: 'mesh', link: { from, to } })}>
          Open the link {from} → {to}
        </button>
      )
    }
    case 'node':
    case 'node-side':
    case 'prober': {
      const { node } = scope
      return (
        <button type="button" onClick={() => go({ view: 'mesh', node })}>
          List the links of {node}
        </button>
      )
    }
    case 'service':
    case 'name-server':
      return (
        <button type="button" onClick={() => go({ view: 'services' })}>
          Show services and DNS
        </button>
      )
    case 'zone-pair':
      return <span>{scope.zones.join(' ↔ ')}</span>
    case 'node-group':
      return <span>{scope.nodes.join(', ')}</span>
    case 'cluster':
      return <span>the whole cluster</span>
  }
}

function Command({ text }: { readonly text: string }) {
  const [outcome, setOutcome] = useState<string>()
  const code = useRef<HTMLElement>(null)
  const copy = async () => {
    try {
      // The clipboard is only there for pages from localhost or over TLS.
      await navigator.clipboard.writeText(text)
      setOutcome('copied')
    } catch {
      if (code.current !== null) getSelection()?.selectAllChildren(code.current)
      setOutcome('selected: copy it with Ctrl+C')
    }
  }
  return (
    <span class="command">
      <code tabIndex={0} ref={code}>
        {text}
      </code>
      <button type="button" onClick={() => void copy()}>
        Copy
      </button>
      <span role="status">{outcome}</span>
    </span>
  )
}
