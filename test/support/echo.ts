import { decodeEchoDatagram, encodeEchoDatagram } from '../../packages/core/src/wire/echo-datagram.ts'

/** What a responder that holds `key` answers this request with. */
export function echoReplyTo(request: Uint8Array, key = ''): Uint8Array {
  const datagram = decodeEchoDatagram(request)
  if (datagram === undefined) throw new Error(`${request.length} bytes are no echo datagram`)
  return encodeEchoDatagram({ ...datagram, kind: 'reply' }, request.length, key)
}
