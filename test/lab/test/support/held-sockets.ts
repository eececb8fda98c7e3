import type { Lab } from '../../src/index.ts'

export interface HeldSockets {
  /** Sends a datagram from each, and returns how many were answered. */
  ask(): Promise<number>
  close(): Promise<void>
}

const script = [
  'for i in $(seq "$2"); do exec {fd}<>"/dev/udp/$0/$1" && fds="$fds $fd"; done; echo open',
  'while read -r; do',
  // Of a datagram bash reads the first byte and loses the others.
  '  for fd in $fds; do echo >&"$fd"; done',
  '  answered=0',
  '  for fd in $fds; do read -r -t 0.3 _ <&"$fd" && answered=$((answered + 1)); done',
  '  echo "$answered"',
  'done',
].join('\n')

/** Connected UDP sockets to an echo that stay open between questions. */
export async function heldSockets(
  lab: Lab,
  place: string,
  [address, port, count]: readonly [string, number, number],
): Promise<HeldSockets> {
  const holder = lab.spawn(place, ['bash', '-c', script, address, String(port), String(count)])
  const lines = holder.lines()[Symbol.asyncIterator]()
  await lines.next()
  return {
    ask: async () => {
      holder.child.stdin?.write('\n')
      const { value } = await lines.next()
      return Number(value)
    },
    close: async () => {
      await holder.stop()
    },
  }
}
