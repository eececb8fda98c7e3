import { formatHostPort, optionsOf, type Protocol, probeNamed, type TargetForm } from '@scout/core'

/** One probe with its options, aimed at one host. */
export interface Check {
  readonly name: string
  readonly protocol: Protocol
  readonly target: string
  readonly options: Readonly<Record<string, unknown>>
  /** Bytes it sends or asks for, where that is a choice. */
  readonly sizeBytes: number | undefined
}

/** A host, and where on it each kind of target is. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly dnsPort: number
  /** The name its name server is asked for. */
  readonly name: string
  readonly key: string
}

const targets: Readonly<Record<TargetForm, (place: Place) => string>> = {
  host: ({ host }) => host,
  'host:port': ({ host, port }) => formatHostPort(host, port),
  url: ({ host, port }) => `http://${formatHostPort(host, port)}/`,
  'name@server': ({ host, dnsPort, name }) => `${name}@${formatHostPort(host, dnsPort)}`,
}

/** Fits an overlay (VXLAN leaves 1,450 bytes of 1,500), so that a path where only this fails loses what is nearly full. */
const largePayloadBytes = 1400

/** Takes some seventy segments: more than a first congestion window (10, RFC 6928), so that full-sized segments have to pass. */
const largeBodyBytes = 100_000

/** Ways to probe a place with one protocol: as it is, and large where size can make a difference. */
export function checksAt(place: Place, protocol: Protocol): readonly Check[] {
  const { targetForm } = probeNamed(protocol)
  const defaults = optionsOf(probeNamed(protocol)).parse({})
  const target = targets[targetForm](place)
  const options = 'key' in defaults ? { key: place.key } : {}
  const plain = { name: protocol, protocol, target, options, sizeBytes: undefined }
  const name = `${protocol}-large`
  if (typeof defaults['payloadBytes'] === 'number') {
    return [
      { ...plain, sizeBytes: defaults['payloadBytes'] },
      { ...plain, name, options: { ...options, payloadBytes: largePayloadBytes }, sizeBytes: largePayloadBytes },
    ]
  }
  if (targetForm === 'url') {
    return [plain, { ...plain, name, target: `${target}bytes?size=${largeBodyBytes}`, sizeBytes: largeBodyBytes }]
  }
  return [plain]
}
