import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import { ageText, clockText } from '../state/format.ts'

/** What the agent's clock is ahead of the browser's, in milliseconds. */
export const Clock = createContext(0)

/** Returns the agent's wall clock, again every second. */
export function useNowMs(): number {
  const aheadMs = useContext(Clock)
  const [browserMs, setBrowserMs] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setBrowserMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return browserMs + aheadMs
}

/** Shows `2 min ago`, with the exact time on hover. */
export function Ago({ atMs }: { readonly atMs: number }) {
  const nowMs = useNowMs()
  const iso = isoText(atMs)
  return (
    <time dateTime={iso} title={iso}>
      {ageText(nowMs - atMs)}
    </time>
  )
}

/** Shows `13:05:11 (2 min ago)`. */
export function At({ atMs }: { readonly atMs: number }) {
  const nowMs = useNowMs()
  const iso = isoText(atMs)
  const date = nowMs - atMs > 20 * 3_600_000 ? `${iso.slice(0, 10)} ` : ''
  return (
    <time dateTime={iso} title={iso}>
      {date}
      {clockText(atMs)} ({ageText(nowMs - atMs)})
    </time>
  )
}

function isoText(atMs: number): string {
  const at = new Date(atMs)
  return Number.isNaN(at.getTime()) ? '' : at.toISOString()
}
