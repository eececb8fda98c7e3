import { useEffect, useMemo, useState } from 'preact/hooks'
import { LinkPanel } from '../link/panel.tsx'
import { MeshMatrix } from '../matrix/mesh-matrix.tsx'
import { follow, initially, type Live } from '../state/live.ts'
import { hashOf, type Route, routeOf } from '../state/route.ts'
import { Guarded } from './guarded.tsx'
import { Header } from './header.tsx'
import { Incidents } from './incidents.tsx'
import { Others } from './others.tsx'
import { SelfView } from './self.tsx'
import { TimeLine } from './time-line.tsx'
import { Clock } from './times.tsx'
import { TokenForm } from './token.tsx'

/** Shows another route; `replace` leaves no step for the back button. */
export type Go = (change: Partial<Route>, options?: { readonly replace?: boolean }) => void

export function App() {
  const route = useRoute()
  const [live, setLive] = useState(initially)
  const [attempt, setAttempt] = useState(0)
  const { atMs } = route
  useEffect(() => follow({ atMs, onChange: setLive }), [atMs, attempt])
  const go = useMemo<Go>(
    () => (change, options) => {
      const hash = hashOf({ ...routeOf(location.hash), ...change })
      if (options?.replace !== true) {
        location.hash = hash
        return
      }
      history.replaceState(null, '', hash)
      dispatchEvent(new HashChangeEvent('hashchange'))
    },
    [],
  )
  const { links, incidents } = live
  useEffect(() => {
    document.title = titleOf(live)
  }, [live])

  return (
    <Clock.Provider value={live.aheadMs}>
      <Guarded name="The header">
        <Header live={live} route={route} go={go} />
      </Guarded>
      {live.needsToken && <TokenForm onToken={() => setAttempt((number) => number + 1)} />}
      <main class={route.link === undefined ? 'plain' : 'with-panel'}>
        {links === undefined ? (
          !live.needsToken && <p class="dim">{live.trouble === undefined ? 'Loading…' : `No data: ${live.trouble}`}</p>
        ) : (
          <>
            {route.view !== 'self' && (
              <Guarded name="The time line">
                <TimeLine incidents={incidents?.incidents ?? []} atMs={atMs} record={links.record} go={go} />
              </Guarded>
            )}
            {route.view === 'mesh' && live.unknownPast === undefined && (
              <div class="columns">
                <div class="mesh">
                  <Guarded name="The list of incidents">
                    <Incidents links={links} incidents={incidents} route={route} go={go} />
                  </Guarded>
                  <Guarded name="The matrix of links">
                    <MeshMatrix links={links} route={route} go={go} />
                  </Guarded>
                </div>
                {route.link !== undefined && (
                  <Guarded name="The panel of this link" key={JSON.stringify(route.link)}>
                    <LinkPanel link={route.link} links={links} atMs={atMs} go={go} />
                  </Guarded>
                )}
              </div>
            )}
            {route.view === 'services' && live.unknownPast === undefined && (
              <Guarded name="Services and DNS">
                <Others links={links} />
              </Guarded>
            )}
            {route.view === 'self' && (
              <Guarded name="This agent">
                <SelfView />
              </Guarded>
            )}
          </>
        )}
      </main>
    </Clock.Provider>
  )
}

/** Returns what a tab should say of the mesh. */
function titleOf({ links, incidents, trouble }: Live): string {
  if (links === undefined) return 'Scout'
  const paths = [...links.links, ...links.others]
  const failing = paths.filter(({ cells }) => cells.some(({ state }) => state === 'failing')).length
  const isKnown = links.isAbridged || paths.some(({ cells }) => cells.some(({ state }) => state === 'ok'))
  const lasting = incidents?.incidents.filter(({ state }) => state !== 'closed').length ?? 0
  const state =
    trouble !== undefined
      ? 'no answer'
      : lasting > 0
        ? `${lasting} open`
        : failing > 0
          ? `${failing} failing`
          : isKnown
            ? 'all well'
            : 'no results yet'
  return `${state} · Scout on ${links.self.node}`
}

function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash))
  useEffect(() => {
    const read = () => setRoute(routeOf(location.hash))
    addEventListener('hashchange', read)
    return () => removeEventListener('hashchange', read)
  }, [])
  return route
}
