import { readUint16, writeUint16 } from './bytes.ts'

/** Prefixes a message with its length, as it is sent over TCP (RFC 1035 §4.2.2). */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length)
  writeUint16(bytes, 0, message.length)
  bytes.set(message, 2)
  return bytes
}

/** Cuts a stream into messages. Copies each byte once, in however small pieces it arrives. */
export class FrameReader {
  #head = new Uint8Array(2)
  #headBytes = 0
  #message: Uint8Array | undefined
  #messageBytes = 0

  /** Bytes of the message in progress, with its length. */
  get pendingBytes(): number {
    return this.#headBytes + this.#messageBytes
  }

  /** Takes bytes up to the end of a message. Returns it, if it is complete, and the number of bytes taken. */
  take(bytes: Uint8Array): { readonly taken: number; readonly message: Uint8Array | undefined } {
    let taken = 0
    while (this.#headBytes < 2 && taken < bytes.length) this.#head[this.#headBytes++] = bytes[taken++] ?? 0
    if (this.#headBytes < 2) return { taken, message: undefined }
    this.#message ??= new Uint8Array(readUint16(this.#head, 0))
    const message = this.#message
    const part = bytes.subarray(taken, taken + message.length - this.#messageBytes)
    message.set(part, this.#messageBytes)
    this.#messageBytes += part.length
    taken += part.length
    if (this.#messageBytes < message.length) return { taken, message: undefined }
    this.#headBytes = 0
    this.#messageBytes = 0
    this.#message = undefined
    return { taken, message }
  }
}
