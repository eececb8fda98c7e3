/** Map whose entries expire in batches. */
export interface Memory<Key, Thing> {
  remember(key: Key, thing: Thing): void
  recall(key: Key): Thing | undefined
  clear(): void
}

export interface MemoryOptions<Thing> {
  /** Each entry is kept for at least this long, and at most twice as long. */
  readonly spanMs: number
  /** Limit on new entries per span; beyond it, older entries expire earlier. */
  readonly most: number
  readonly onForgotten: (thing: Thing) => void
}

/**
 * Creates a memory of two generations. When the younger is full or expires, it replaces the older, which is dropped as a whole.
 * A single queue would be exact, but a Map is slow as a queue: V8's ordered hash tables keep the gaps of removed entries, and every
 * iteration steps over them.
 */
export function createMemory<Key, Thing>({ spanMs, most, onForgotten }: MemoryOptions<Thing>): Memory<Key, Thing> {
  let younger = new Map<Key, Thing>()
  let older = new Map<Key, Thing>()
  let bornAtMs = performance.now()

  const age = (nowMs: number) => {
    for (const thing of older.values()) onForgotten(thing)
    older = younger
    younger = new Map()
    bornAtMs = nowMs
  }

  return {
    remember(key, thing) {
      const nowMs = performance.now()
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
