/** Result of a request to the agent. */
export type Reply<T> =
  | { readonly ok: true; readonly content: T }
  | {
      readonly ok: false
      /** Of the answer; absent if there is none. */
      readonly status?: number
      readonly message: string
    }

const tokenKey = 'scout-token'

export function keepToken(token: string): void {
  sessionStorage.setItem(tokenKey, token)
}

/**
 * Requests a document of the API. The page takes it as it is, because an agent serves the page of its own version. `path` is relative to
 * the page, which a proxy may serve under a prefix.
 */
export async function request<T>(path: string, signal?: AbortSignal): Promise<Reply<T>> {
  try {
    const response = await fetch(path, { headers: headersOf('application/json'), ...(signal ? { signal } : {}) })
    if (response.ok) return { ok: true, content: await response.json() }
    return { ok: false, status: response.status, message: await refusalOf(response) }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
}

interface Listener {
  readonly signal: AbortSignal
  readonly onOpen: () => void
  /** Receives the event, which names the present versions of the documents. */
  readonly onChanged: (event: string) => void
}

/**
 * Listens to server-sent events until the stream ends. `EventSource` could not send the token.
 * @throws if there is no stream
 */
export async function listen(path: string, { signal, onOpen, onChanged }: Listener): Promise<void> {
  const response = await fetch(path, { headers: headersOf('text/event-stream'), signal, cache: 'no-store' })
  if (!response.ok || response.body === null) throw new Error(await refusalOf(response))
  onOpen()
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const events = (rest + value).split(/\r?\n\r?\n/)
    // An event that never ends must not fill the memory.
    rest = (events.pop() ?? '').slice(-1_000)
    const changed = events.findLast((event) => /^event: ?changed$/m.test(event))
    if (changed !== undefined) onChanged(changed.replace(/^retry:.*\r?\n/m, ''))
  }
}

function headersOf(accept: string): Record<string, string> {
  const token = sessionStorage.getItem(tokenKey)
  return { accept, ...(token === null ? {} : { authorization: `Bearer ${token}` }) }
}

async function refusalOf(response: Response): Promise<string> {
  const unnamed = `the agent answered ${response.status}`
  try {
    const { message = unnamed }: { readonly message?: string } = await response.json()
    return message
  } catch {
    return unnamed // by a proxy, for example, which answers in HTML
  }
}
