import { exchangeHttp, type HttpRequest } from './http-exchange.ts'

const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nscout')

/** The second still compiles what the first has only loaded. */
const rehearsals = 5

let rehearsed: Promise<void> | undefined

/**
 * Makes a few requests in memory on the first call, and resolves when they are done. The first request of a thread loads and compiles
 * Node's client, which takes 10 to 20 ms, a hundred times as long as a near server. Without a rehearsal, the first attempt measures that.
 */
export function rehearseHttp(): Promise<void> {
  rehearsed ??= rehearse()
  return rehearsed
}

async function rehearse(): Promise<void> {
  const request: HttpRequest = {
    url: new URL('http://scout/'),
    method: 'GET',
    headers: {},
    sendBytes: 0,
    keepBytes: answer.length,
    maxBytes: answer.length,
    expectFiller: false,
  }
  for (let i = 0; i < rehearsals; i++) await exchanged(request)
}

function exchanged(request: HttpRequest): Promise<void> {
  return new Promise((resolve) => {
    exchangeHttp(
      ({ onBytes }) => ({
        write(_, written) {
          written()
          setImmediate(onBytes, answer)
        },
        markAnswer() {},
        close() {},
      }),
      request,
      { onSent() {}, onAnswered() {}, onEnd: resolve, onError: () => resolve() },
    )
  })
}
