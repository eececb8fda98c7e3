import type { Collected, LinkDocument, Series } from '../state/documents.ts'
import { countText, durationText, shareText } from '../state/format.ts'
import { Ago } from '../views/times.tsx'
import { Trace } from './trace.tsx'

interface Shown {
  readonly link: { readonly from: string; readonly to: string }
  readonly forth: LinkDocument | undefined
  readonly back: LinkDocument | undefined
}

/** Which sizes pass, which flows are lost, whether idle flows last, and the way: by the checks, and by what was collected for incidents. */
export function LinkFacts({ link: { from, to }, forth, back }: Shown) {
  const series = forth?.series ?? []
  const collected = [
    ...(forth?.collected ?? []).map((one) => ({ one, from })),
    ...(back?.collected ?? []).map((one) => ({ one, from: to })),
  ]
  const newest = (proof: string) => newestOf(collected.filter(({ one }) => one.proof === proof))
  return (
    <>
      <Sizes series={series} found={newest('mtu')} />
      <Flows found={newest('flows')} />
      <Sockets series={series.filter(({ socket }) => socket !== undefined)} />
      {newest('trace').map(({ one, from }) => (
        <Trace key={from} one={one} from={from} />
      ))}
    </>
  )
}

interface Found {
  readonly one: Collected
  readonly from: string
}

/** Returns the newest of each direction. */
function newestOf(found: readonly Found[]): readonly Found[] {
  return [...new Map(found.map((each) => [each.from, each])).values()]
}

const sized: readonly string[] = ['udp', 'icmp', 'http', 'tcp', 'syn']

/** A row for each size of payload that is checked. */
function Sizes({ series, found }: { readonly series: readonly Series[]; readonly found: readonly Found[] }) {
  const own = series.filter(({ protocol, socket }) => sized.includes(protocol) && socket === undefined)
  const sizes = [...new Set(own.map(({ bytes = 0 }) => bytes))].toSorted((a, b) => a - b)
  if (sizes.length < 2 && found.length === 0) return null
  return (
    <section aria-label="Sizes">
      <h3>Sizes</h3>
      <table class="facts">
        <tbody>
          {sizes.map((size) => {
            const alike = own.filter(({ bytes = 0 }) => bytes === size)
            return (
              <tr key={size}>
                <th scope="row">{size === 0 ? 'small' : `${size.toLocaleString('en')} bytes`}</th>
                <td>
                  {alike.map((one) => (
                    <StateOf key={`${one.check} ${one.family} ${one.path}`} one={one} />
                  ))}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
      {found.map(({ one, from }) => (
        <Largest key={from} one={one} from={from} />
      ))}
    </section>
  )
}

function StateOf({ one: { check, family, state, medianNs, last } }: { readonly one: Series }) {
  const failure = last?.ok === false ? last.failure.reason : undefined
  return (
    <span class={`state ${state}`}>
      {check}
      {family === 'ipv6' && ' v6'} {state === 'failing' ? (failure ?? 'fails') : state === 'ok' ? 'passes' : state}
      {state === 'ok' && medianNs !== undefined && ` in ${durationText(medianNs)}`}
    </span>
  )
}

/** What the proof of the path MTU found, and where the limit is. */
function Largest({ one: { says, values, atMs, to }, from }: Found) {
  const { pathMtu, interfaceMtu, forward, back } = values
  const way = (name: string, limit: typeof forward) =>
    limit !== undefined && (
      <>
        <dt>{name}</dt>
        <dd>
          {limit.passes.toLocaleString('en')} bytes pass
          {limit.fails !== undefined && <span class="failing">, {limit.fails.toLocaleString('en')} bytes do not</span>}
        </dd>
      </>
    )
  return (
    <>
      {pathMtu !== undefined && (
        <p>
          Largest working packet: <strong>{pathMtu.toLocaleString('en')} bytes</strong>
          {interfaceMtu !== undefined && ` of the ${interfaceMtu.toLocaleString('en')} that ${from} sends`}{' '}
          <span class="dim">
            <Ago atMs={atMs} />
          </span>
        </p>
      )}
      <dl>
        {way(`${from} → ${to}`, forward)}
        {way(`${to} → ${from}`, back)}
      </dl>
      <p class="dim">{says}</p>
    </>
  )
}

/** Which of how many flows lose packets. */
function Flows({ found }: { readonly found: readonly Found[] }) {
  if (found.length === 0) return null
  return (
    <section aria-label="Flows">
      <h3>Flows</h3>
      {found.map(({ one: { says, values, atMs, to }, from }) => {
        const { flows = [], failing = [] } = values
        const lossy = flows.filter(({ lost }) => lost > 0)
        return (
          <div key={from}>
            <p>
              {from} → {to}:{' '}
              {flows.length === 0 ? says : `${lossy.length} of ${countText(flows.length, 'flow')} lose packets`}{' '}
              <span class="dim">
                <Ago atMs={atMs} />
              </span>
            </p>
            <ul class="flows">
              {flows.map(({ name, sent, lost }) => (
                <li key={name} class={failing.includes(name) ? 'failing' : lost > 0 ? 'degraded' : 'ok'}>
                  {name} <span>{lost === 0 ? '✓' : `${shareText(lost, sent)} lost`}</span>
                </li>
              ))}
            </ul>
            {flows.length > 0 && <p class="dim">{says}</p>}
          </div>
        )
      })}
    </section>
  )
}

/** Whether flows that are kept or idle last. */
function Sockets({ series }: { readonly series: readonly Series[] }) {
  if (series.length === 0) return null
  return (
    <section aria-label="Kept and idle flows">
      <h3>Kept and idle flows</h3>
      <table class="facts">
        <tbody>
          {series.map((one) => (
            <tr key={`${one.check} ${one.family}`}>
              <th scope="row">
                {one.check}
                {one.family === 'ipv6' && ' v6'} <span class="dim">{one.socket}</span>
              </th>
              <td>
                <SocketState one={one} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function SocketState({ one: { state, last, succeededAtMs } }: { readonly one: Series }) {
  const ageNs = ageIn(last?.detail)
  const isDropped = last?.ok === false && last.failure.reason === 'flow-dropped'
  if (state === 'failing')
    return (
      <span class="failing">
        {isDropped ? 'dropped: the path forgets it' : last?.ok === false && last.failure.message}
      </span>
    )
  if (state !== 'ok') return <span class="dim">no result yet: it must first have been idle</span>
  return (
    <span>
      <span class="ok">
        {ageNs === undefined ? 'opened, not yet used again' : `works after ${durationText(ageNs)}`}
      </span>{' '}
      {succeededAtMs !== undefined && (
        <span class="dim">
          <Ago atMs={succeededAtMs} />
        </span>
      )}
    </span>
  )
}

/** Returns the age of the flow that a result used; undefined if it was new. */
function ageIn(detail: unknown): number | undefined {
  if (typeof detail !== 'object' || detail === null || !('ageNs' in detail)) return undefined
  return typeof detail.ageNs === 'number' ? detail.ageNs : undefined
}
