/** A document in parts, each small enough to be written at once. */
export type Blocks = readonly Buffer[]

export type Make = () => Blocks | Promise<Blocks>

/** Returns a document by its name, and has it made if there is none from this moment; undefined if it cannot be made. */
export type Renderings = (name: string, make: Make) => Promise<Blocks | undefined>

/** A document is shared for at least this long. */
const momentMs = 100

/** After making a document, so many times as long is spent on other things, however many ask. */
const pause = 4

/**
 * Creates renderings: one of each document is shared by all who ask within a moment, and one is made at a time. `onDefect` receives each
 * error once.
 */
export function createRenderings(onDefect: (error: unknown) => void): Renderings {
  const shared = new Map<string, Promise<Blocks | undefined>>()
  let last: Promise<unknown> = Promise.resolve()
  let pausedUntilMs = 0

  const render = async (name: string, make: Make) => {
    await until(pausedUntilMs)
    const startMs = performance.now()
    try {
      return await make()
    } catch (error) {
      onDefect(error)
      return undefined
    } finally {
      const pauseMs = (performance.now() - startMs) * pause
      pausedUntilMs = performance.now() + pauseMs
      setTimeout(() => shared.delete(name), Math.max(momentMs, pauseMs)).unref()
    }
  }

  return (name, make) => {
    const known = shared.get(name)
    if (known !== undefined) return known
    const rendering = last.then(() => render(name, make))
    last = rendering
    shared.set(name, rendering)
    return rendering
  }
}

async function until(timeMs: number): Promise<void> {
  const waitMs = timeMs - performance.now()
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
}
