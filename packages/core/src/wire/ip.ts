interface Ipv4Payload {
  readonly ttl: number
  readonly payload: Uint8Array
}

/** What an IPv4 packet carries (RFC 791 §3.1); undefined when its header is not one or does not fit. */
export function ipv4Payload(packet: Uint8Array): Ipv4Payload | undefined {
  const [versionAndLength] = packet
  if (versionAndLength === undefined || versionAndLength >>> 4 !== 4) return undefined
  const headerBytes = (versionAndLength & 0x0f) * 4
  const ttl = packet[8]
  if (headerBytes < 20 || packet.length < headerBytes || ttl === undefined) return undefined
  return { ttl, payload: packet.subarray(headerBytes) }
}
