import type { Output } from '../shell/io.ts'
import { shownLength } from './words.ts'

/** The whole terminal, redrawn in place, also when its size changes. What it showed before comes back at the end and at Ctrl-Z. */
export interface Screen {
  redraw(): void
  close(): void
}

/** Height of a terminal that does not say. */
const usualRows = 24

/** Escape sequences that every terminal since xterm knows. */
const alternateScreen = { on: '\x1b[?1049h', off: '\x1b[?1049l' }
const cursor = { on: '\x1b[?25h', off: '\x1b[?25l' }
const wrapping = { on: '\x1b[?7h', off: '\x1b[?7l' }
const home = '\x1b[H'
const clearLine = '\x1b[K'
const clearBelow = '\x1b[J'

/** Opens the screen; `text` returns what it shows, and is called at each redraw. */
export function openScreen(out: Output, text: () => string): Screen {
  const open = () => out.write(alternateScreen.on + cursor.off + wrapping.off)
  const close = () => out.write(wrapping.on + cursor.on + alternateScreen.off)
  const redraw = () => {
    const { columns = Number.POSITIVE_INFINITY, rows = usualRows } = out
    const lines = fitting(text().trimEnd().split('\n'), rows)
    // Nothing flickers, because it is one write that clears only what it does not overwrite. The rest of a full line is its last character.
    const drawn = lines.map((line) => (shownLength(line) < columns ? line + clearLine : line))
    out.write(home + drawn.join('\n') + clearBelow)
  }
  const returns = () => {
    open()
    redraw()
  }
  const unfollow = out.follow({ resized: redraw, leaves: close, returns })
  open()
  return {
    redraw,
    close() {
      unfollow()
      close()
    },
  }
}

function fitting(lines: readonly string[], rows: number): readonly string[] {
  const room = rows - 1
  return lines.length <= rows ? lines : [...lines.slice(0, room), `and ${lines.length - room} more lines`]
}
