import type { Endpoint, Family } from '../../model/endpoint.ts'
import { formatHostPort } from '../../model/target.ts'
import type { TcpInfo } from '../../net/native/native.ts'
import type { Sockets } from '../../net/sockets.ts'
import { type Connection, openConnection } from '../../net/tcp/connection.ts'
import { exchangeHttp, type HttpRequest, type HttpResponse } from '../../net/tcp/http-exchange.ts'
import type { Deadline } from '../../time/deadline.ts'

export type Direction = 'forward' | 'back'

/** Where to transfer, and until when. */
export interface TransferPlace {
  readonly sockets: Sockets
  readonly endpoint: Endpoint
  readonly deadline: Deadline
}

export interface TransferRequest {
  readonly direction: Direction
  /** Size of the largest IP packets (default: as the kernels agree). */
  readonly packetBytes?: number
  readonly bodyBytes: number
}

/** What happened to a request of HTTP whose segments fill packets in one direction. */
export interface Transferred {
  /** `stalls`: the connection was made, and then nothing arrived any more. */
  readonly kind: 'passes' | 'stalls' | 'fails'
  /** The largest segment in that direction, by the kernel's count: sent, or received. Without a header, and without TCP's options. */
  readonly segmentBytes?: number
  /** Size of the largest packet that was sent or received whole; an estimate if TCP's timestamps are off. */
  readonly packetBytes?: number
  readonly body: Buffer
  readonly status: number
}

/** Time to connect, with room for a lost SYN, and to transfer. Linux itself tries smaller segments later (tcp_mtu_probing). */
const connectMs = 2_200
const transferMs = 1_200

/** Size of the headers of IP and TCP. */
const headerBytes: Readonly<Record<Family, number>> = { ipv4: 40, ipv6: 60 }

/** Size of the timestamps that most kernels add to each segment (RFC 7323 §3). */
const timestampBytes = 12

/** Limits of TCP_MAXSEG (linux/net/ipv4/tcp.c): a larger packet cannot be requested. */
const largestSegment = 32_767

/** Requests `/bytes` of a Scout responder, or uploads a body to it. Never rejects for what happens on the path. */
export async function transfer(
  place: TransferPlace,
  { direction, packetBytes, bodyBytes }: TransferRequest,
): Promise<Transferred> {
  const { endpoint } = place
  const headers = headerBytes[endpoint.family]
  const segment = packetBytes === undefined ? undefined : Math.min(packetBytes - headers, largestSegment)
  const isBack = direction === 'back'
  const request: HttpRequest = {
    url: urlOf(endpoint, isBack ? `/bytes?size=${bodyBytes}` : '/'),
    method: isBack ? 'GET' : 'POST',
    headers: {},
    sendBytes: isBack ? 0 : bodyBytes,
    keepBytes: 64,
    maxBytes: bodyBytes + 65_536,
    expectFiller: false,
  }
  const { kind, response, info } = await exchange(place, segment, request)
  const segmentBytes = isBack ? info?.receiveMss : info?.sendMss
  return {
    kind,
    ...(segmentBytes === undefined ? {} : { segmentBytes, packetBytes: segmentBytes + headers + timestampBytes }),
    body: response?.body ?? Buffer.alloc(0),
    status: response?.statusCode ?? 0,
  }
}

/** The address in place of a name, without a zone, which no Host header has (RFC 6874 §4). */
function urlOf({ address, port = 0 }: Endpoint, path: string): URL {
  return new URL(path, `http://${formatHostPort(address.replace(/%.*/, ''), port)}`)
}

interface Exchanged {
  readonly kind: Transferred['kind']
  readonly response: HttpResponse | undefined
  readonly info: TcpInfo | undefined
}

function exchange(
  { sockets, endpoint, deadline }: TransferPlace,
  mostSegmentBytes: number | undefined,
  request: HttpRequest,
): Promise<Exchanged> {
  return new Promise((resolve) => {
    let response: HttpResponse | undefined
    let isEnded = false
    const end = (kind: Transferred['kind']) => {
      if (isEnded) return
      isEnded = true
      clearTimeout(timer)
      off()
      resolve({ kind, response, info: connection?.info() })
      connection?.close()
    }
    let off = () => {}
    let timer = setTimeout(() => end('fails'), connectMs)
    let connection: Connection | undefined
    try {
      const opened = openConnection(
        { sockets, endpoint },
        // Or a connection that stalls would be retransmitted for minutes, and a responder would serve it as long.
        { isStamped: false, isUndelayed: true, mostSegmentBytes, isAbrupt: true },
        {
          onConnected() {
            clearTimeout(timer)
            timer = setTimeout(() => end('stalls'), transferMs)
            response = exchangeHttp((listener) => opened.exchange(listener), request, {
              onSent() {},
              onAnswered() {},
              onEnd: () => end('passes'),
              onError: () => end('fails'),
            })
          },
          onError: () => end('fails'),
        },
      )
      connection = opened
      off = deadline.onOver(() => end('fails'))
    } catch {
      end('fails') // this host has no descriptor or port left
    }
  })
}
