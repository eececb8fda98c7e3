import { useEffect, useState } from 'preact/hooks'
import { request } from '../state/client.ts'

interface Found<Document> {
  readonly document?: Document
  /** Why there is none, as one sentence. */
  readonly trouble?: string
}

/** Requests a document at once and again every so often while the page is visible, and keeps the last one meanwhile. */
export function useDocument<Document extends { readonly missing?: string | undefined }>(
  path: string,
  everyMs: number,
): Found<Document> {
  const [found, setFound] = useState<Found<Document> & { readonly path: string }>({ path: '' })
  useEffect(() => {
    const ending = new AbortController()
    let dueAtMs = 0
    const load = async () => {
      if (document.hidden || performance.now() < dueAtMs) return
      dueAtMs = Number.POSITIVE_INFINITY
      const reply = await request<Document>(path, ending.signal)
      if (ending.signal.aborted) return
      dueAtMs = performance.now() + everyMs
      const trouble = reply.ok ? reply.content.missing : reply.message
      setFound(trouble === undefined && reply.ok ? { path, document: reply.content } : { path, trouble: trouble ?? '' })
    }
    void load()
    const timer = setInterval(() => void load(), 1_000)
    document.addEventListener('visibilitychange', () => void load(), { signal: ending.signal })
    return () => {
      clearInterval(timer)
      ending.abort()
    }
  }, [path, everyMs])
  return found.path === path ? found : {}
}
