import { clockText, formatDurationNs, printable } from '@scout/core'
import { openScreen } from '../render/screen.ts'
import { fold } from '../render/words.ts'
import type { Output } from '../shell/io.ts'
import { renderWatched } from './mesh-text.ts'
import type { Look } from './seen.ts'
import type { Face, WatchFormat } from './watch.ts'

/** Redraws the terminal with what each look shows. The last one stays there at the end. */
export function screenFace({ intervalMs, isExplained }: WatchFormat, out: Output): Face {
  let latest: Look | undefined
  let failure: { readonly message: string; readonly atMs: number } | undefined
  const title = (atText: string) => {
    const { dim, red } = out.colours
    if (failure === undefined) return dim(`${atText}, every ${formatDurationNs(intervalMs * 1e6)} until Ctrl-C`)
    const { message, atMs } = failure
    return red(`${clockText(atMs, atMs)}: ${printable(message)}; what follows is from ${atText}`)
  }
  const text = () => {
    if (latest === undefined) return ''
    const head = fold(title(clockText(latest.nowMs, Date.now())), out.columns ?? Number.POSITIVE_INFINITY)
    return `${head.join('\n')}\n\n${renderWatched(latest, isExplained, out)}`
  }
  const screen = openScreen(out, text)
  return {
    show(look) {
      latest = look
      failure = undefined
      screen.redraw()
    },
    fail(message) {
      failure = { message, atMs: Date.now() }
      screen.redraw()
    },
    end() {
      screen.close()
      out.write(text())
    },
  }
}
