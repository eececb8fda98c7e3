/** `0.213 ms`: one unit throughout, so that a column of times can be compared at a glance. */
export function formatMilliseconds(ns: number): string {
  return `${bareMilliseconds(ns)} ms`
}

export function bareMilliseconds(ns: number): string {
  return (ns / 1e6).toFixed(3)
}
