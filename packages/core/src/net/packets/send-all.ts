import type { Packet, PacketSocket, SendingOptions } from './packet-socket.ts'

/** A packet to be sent over a socket. Its ticket is set once the socket has accepted it. */
export interface Outgoing extends Packet {
  readonly socket: PacketSocket
  readonly options: SendingOptions | undefined
  ticket: number
}

/** Sends packets over their sockets. Packets without options are batched by socket. */
export function sendAll<Each extends Outgoing>(
  packets: readonly Each[],
  refused: (packet: Each, error: unknown) => void,
): void {
  const [only] = packets
  if (only !== undefined && packets.length === 1) return sendAlone(only, refused)
  const together = new Map<PacketSocket, Each[]>()
  for (const packet of packets) {
    const { socket, options } = packet
    if (options !== undefined) {
      sendAlone(packet, refused)
      continue
    }
    const others = together.get(socket)
    if (others === undefined) together.set(socket, [packet])
    else others.push(packet)
  }
  for (const [socket, group] of together) sendTogether(socket, group, refused)
}

function sendAlone<Each extends Outgoing>(packet: Each, refused: (packet: Each, error: unknown) => void): void {
  try {
    packet.ticket = packet.socket.send(packet.bytes, packet.to, packet.options)
  } catch (error) {
    refused(packet, error)
  }
}

function sendTogether<Each extends Outgoing>(
  socket: PacketSocket,
  packets: readonly Each[],
  refused: (packet: Each, error: unknown) => void,
): void {
  const outcomes = outcomesOf(socket, packets)
  for (const [index, packet] of packets.entries()) {
    const outcome = outcomes[index]
    if (typeof outcome === 'number') packet.ticket = outcome
    else refused(packet, outcome)
  }
}

/** Returns an outcome for each packet. An error of the socket itself is that of all. */
function outcomesOf(socket: PacketSocket, packets: readonly Packet[]): readonly unknown[] {
  try {
    return socket.sendMany(packets)
  } catch (error) {
    return packets.map(() => error)
  }
}
