/** What the page shows, as the fragment of its address says. */
export interface Route {
  readonly view: 'mesh' | 'services' | 'self'
  /** The link whose panel is open. */
  readonly link?: { readonly from: string; readonly to: string } | undefined
  /** Wall clock of the past that is shown; absent for the present. */
  readonly atMs?: number | undefined
  readonly incident?: string
  /** Node whose links are listed. */
  readonly node?: string
  readonly filter: Filter
}

/** What the matrix shows; an absent field selects all. */
export interface Filter {
  readonly protocol?: string
  readonly vantage?: string
  readonly family?: string
  readonly direction?: 'forth' | 'back'
  /** Part of the name of a node or zone. */
  readonly nodes?: string
}

/** Returns what a fragment such as `#/link/node-1/node-2?at=1700000000000` says. Whatever it does not understand is left out. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const [view, ...names] = path.split('/').map(decoded)
  const [from, to] = names
  const values = new URLSearchParams(query)
  const at = Number(values.get('at'))
  const direction = values.get('direction')
  return {
    view: view === 'services' || view === 'self' ? view : 'mesh',
    ...(view === 'link' && from && to ? { link: { from, to } } : {}),
    ...(Number.isSafeInteger(at) && at > 0 ? { atMs: at } : {}),
    ...given('incident', values.get('incident')),
    ...given('node', values.get('node')),
    filter: {
      ...given('protocol', values.get('protocol')),
      ...given('vantage', values.get('vantage')),
      ...given('family', values.get('family')),
      ...given('nodes', values.get('nodes')),
      ...(direction === 'forth' || direction === 'back' ? { direction } : {}),
    },
  }
}

/** Returns the fragment that `routeOf` reads as this route. */
export function hashOf({ view, link, atMs, incident, node, filter }: Route): string {
  const names = link === undefined ? [] : [link.from, link.to]
  const path = link === undefined ? (view === 'mesh' ? [] : [view]) : ['link', ...names]
  const query = new URLSearchParams({
    ...(atMs === undefined ? {} : { at: String(atMs) }),
    ...given('incident', incident),
    ...given('node', node),
    ...filter,
  }).toString()
  return `#/${path.map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`
}

function given(name: 'incident' | 'node' | keyof Filter, value: string | null | undefined) {
  return value ? { [name]: value } : {}
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // a fragment that somebody typed
  }
}
