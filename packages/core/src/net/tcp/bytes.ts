import type { Duplex } from 'node:stream'

/** The bytes of a connection, in both directions. */
export interface Bytes {
  /** Calls `written` when the kernel has taken them all. */
  write(bytes: Uint8Array, written: (error?: Error | null) => void): void
  /** Makes the bytes that are being delivered the first of the answer, for the times of the connection. */
  markAnswer(): void
  close(): void
}

export interface BytesListener {
  onBytes(bytes: Buffer): void
  /** The other side has closed its direction. May be called again. */
  onEnd(): void
  onError(error: Error): void
}

/** Returns the bytes of a connected socket of Node, which may be that of TLS. */
export function bytesOver(socket: Duplex, listener: BytesListener): Bytes {
  socket.on('data', (bytes: Buffer) => listener.onBytes(bytes))
  socket.on('end', () => listener.onEnd())
  socket.on('close', () => listener.onEnd())
  socket.on('error', (error) => listener.onError(error))
  return {
    write: (bytes, written) => void socket.write(bytes, written),
    markAnswer() {},
    close: () => void socket.destroy(),
  }
}
