/** How much of the mesh a watcher sees. */
interface Sight {
  readonly rows: number
  readonly ready: number
  /** Nodes of ready agents whose rows it lacks. */
  readonly missing: readonly string[]
}

const mostNamed = 5

/** Returns how much of the mesh a watcher sees, as a remark. */
export function sightText({ rows, ready, missing }: Sight): string {
  if (rows >= ready) return `sees all ${ready} rows`
  const others = missing.length > mostNamed ? ` and ${missing.length - mostNamed} more` : ''
  return `sees ${rows} of ${ready} rows: none from ${missing.slice(0, mostNamed).join(', ')}${others}`
}
