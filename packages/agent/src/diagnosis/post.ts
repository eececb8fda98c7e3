import { request } from 'node:http'

/** Answer to a message; `old` if the program there does not know the path, `silent` if there was no answer. */
export type PostAnswer = { readonly text: string } | 'old' | 'silent'

/** Long enough for one lost SYN, and shorter than a round. */
const timeoutMs = 1_500

const mostAnswerBytes = 512 << 10

/**
 * Sends a text by POST over a connection of its own, from this thread: the body is made here, and one that hangs delays no probe. What comes
 * back is read up to a limit in bytes and time.
 */
export function post(url: string, body: string): Promise<PostAnswer> {
  // An address with a zone, or a port that is none, makes no URL.
  if (!URL.canParse(url)) return Promise.resolve('silent')
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    // The signal also ends an answer that never does.
    const sending = request(url, { method: 'POST', agent: false, headers, signal }, (response) => {
      const { statusCode = 0 } = response
      const parts: Buffer[] = []
      let bytes = 0
      response.on('data', (part: Buffer) => {
        bytes += part.length
        if (bytes > mostAnswerBytes) response.destroy()
        else parts.push(part)
      })
      response.on('error', () => resolve('silent'))
      response.on('close', () => resolve('silent'))
      response.on('end', () => {
        if (statusCode === 200) resolve({ text: Buffer.concat(parts).toString() })
        else resolve(statusCode === 404 || statusCode === 405 ? 'old' : 'silent')
      })
    })
    sending.on('error', () => resolve('silent'))
    sending.end(body)
  })
}
