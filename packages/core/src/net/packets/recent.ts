/** Remembers things for a while and forgets the old ones together. */
export interface Memory<Key, Thing> {
  remember(key: Key, thing: Thing): void
  recall(key: Key): Thing | undefined
  clear(): void
}

export interface MemoryOptions<Thing> {
  /** Each thing is remembered at least this long, and at most twice as long. */
  readonly spanMs: number
  /** Where more come within the span, the older ones are forgotten earlier. */
  readonly most: number
  readonly onForgotten: (thing: Thing) => void
}

/**
 * Two generations: when the younger is full or has had its time it becomes the older, and the older goes as a whole. One queue would
 * be exact, but a Map is no queue: it steps over everything that was ever removed from its front (V8's ordered hash tables keep the gaps).
 */
export function createMemory<Key, Thing>({ spanMs, most, onForgotten }: MemoryOptions<Thing>): Memory<Key, Thing> {
  let younger = new Map<Key, Thing>()
  let older = new Map<Key, Thing>()
  let bornAtMs = Date.now()

  const age = (nowMs: number) => {
    for (const thing of older.values()) onForgotten(thing)
    older = younger
    younger = new Map()
    bornAtMs = nowMs
  }

  return {
    remember(key, thing) {
      const nowMs = Date.now()
      if (younger.size >= most || nowMs - bornAtMs >= spanMs) age(nowMs)
      const before = younger.get(key)
      if (before !== undefined) onForgotten(before)
      younger.set(key, thing)
    },
    recall: (key) => younger.get(key) ?? older.get(key),
    clear() {
      younger.clear()
      older.clear()
    },
  }
}
