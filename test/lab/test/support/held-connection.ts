import type { Lab } from '../../src/index.ts'

export interface HeldConnection {
  /** Stays idle for some seconds, sends a request over the same connection, and returns whether it was answered. */
  ask(idleSeconds: number): Promise<string>
  close(): Promise<void>
}

const script = [
  'exec 3<>"/dev/tcp/$0/$1" && echo open',
  'while read -r idle; do',
  '  sleep "$idle"',
  "  printf 'GET / HTTP/1.1\\r\\nHost: lab\\r\\n\\r\\n' >&3",
  '  if timeout 0.8 dd bs=65536 count=1 status=none <&3 | grep -q "HTTP/1.1 200"; then echo answered; else echo silent; fi',
  'done',
].join('\n')

/** A TCP connection to a web server that stays open between requests. */
export async function heldConnection(
  lab: Lab,
  place: string,
  [address, port]: readonly [string, number],
): Promise<HeldConnection> {
  const holder = lab.spawn(place, ['bash', '-c', script, address, String(port)])
  const lines = holder.lines()[Symbol.asyncIterator]()
  await lines.next()
  return {
    ask: async (idleSeconds) => {
      holder.child.stdin?.write(`${idleSeconds}\n`)
      const { value } = await lines.next()
      return String(value)
    },
    close: async () => {
      await holder.stop()
    },
  }
}
