import type { Endpoint } from '../model/endpoint.ts'
import { isSystemError } from '../model/failure.ts'
import type { Bytes, BytesListener } from '../net/tcp/bytes.ts'
import type { Connected, Connection, ExchangeTimes } from '../net/tcp/connection.ts'
import { nowNs } from '../time/clock.ts'
import { bytesToSend } from './expectation.ts'
import { answerListener, type Received, type TcpAttempt, type TcpOptions } from './tcp-answer.ts'

/** How a connection replied to what was sent: with an answer, its end, or a reset. */
export type Reply =
  | { readonly kind: 'answered'; readonly answerBytes: number; readonly times: ExchangeTimes | undefined }
  | { readonly kind: 'closed' }
  | { readonly kind: 'reset'; readonly error: Error & { readonly code: string } }

interface Opened {
  readonly connection: Connection
  readonly connected: Connected
}

/** A connection over which attempts ask in turn. */
export class Line {
  readonly address: string
  readonly connected: Connected
  readonly openedNs = nowNs()
  usedNs = this.openedNs
  isEnded = false
  readonly #connection: Connection
  readonly #bytes: Bytes
  /** Of the attempt that waits for an answer. What arrives otherwise answers nothing. */
  #asking: BytesListener | undefined

  constructor({ address }: Endpoint, { connection, connected }: Opened) {
    this.address = address
    this.#connection = connection
    this.connected = connected
    this.#bytes = connection.exchange({
      onBytes: (bytes) => this.#asking?.onBytes(bytes),
      onEnd: () => {
        this.isEnded = true
        if (this.#asking === undefined) this.close()
        else this.#asking.onEnd()
      },
      onError: (error) => {
        this.isEnded = true
        if (this.#asking === undefined) this.close()
        else this.#asking.onError(error)
      },
    })
  }

  /** Sends, and resolves to the reply. Rejects if it is an answer without what is expected. Never settles where nothing arrives. */
  ask(attempt: TcpAttempt, { send, expect }: TcpOptions, received: Received): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      const answered = (answerBytes: number) => {
        this.usedNs = nowNs()
        this.#asking = undefined
        resolve({ kind: 'answered', answerBytes, times: this.#connection.times() })
      }
      const failed = (error: unknown) => {
        this.#asking = undefined
        if (isReset(error)) resolve({ kind: 'reset', error })
        else if (isAfterEnd(error)) closed()
        else reject(error)
      }
      const closed = () => {
        this.#asking = undefined
        resolve({ kind: 'closed' })
      }
      const listener = answerListener(attempt, { expect, received }, { resolve: answered, reject: failed })
      this.#asking = {
        onBytes: (bytes) => {
          if (received.bytes.length === 0) this.#bytes.markAnswer()
          listener.onBytes(bytes)
        },
        onEnd: () => {
          if (received.bytes.length > 0) listener.onEnd()
          else closed()
        },
        onError: failed,
      }
      this.#bytes.write(bytesToSend(send), (error) => {
        // A reset that prevents the writing has come before it.
        if (error && (isReset(error) || isAfterEnd(error))) closed()
        else if (error) failed(error)
        else attempt.stopwatch.enter('answer')
      })
    })
  }

  /** Segments that were sent again so far; undefined without the native part. */
  retransmits(): number | undefined {
    return this.#connection.info()?.retransmits
  }

  close(): void {
    this.isEnded = true
    this.#connection.close()
  }
}

// Linux reports EPIPE for a reset that comes after the end of the other side, or for a write after both (net/ipv4/tcp_input.c, tcp_reset).
function isReset(error: unknown): error is Error & { readonly code: string } {
  return isSystemError(error) && error.code === 'ECONNRESET'
}

function isAfterEnd(error: unknown): boolean {
  return isSystemError(error) && error.code === 'EPIPE'
}
