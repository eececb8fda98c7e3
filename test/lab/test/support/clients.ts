/**
 * Ordinary clients, each with a result of one word: `ok`, `silent`, or the answer. A client gives up before a lost SYN is
 * retransmitted (1 s, RFC 6298 §2), so one lost packet counts as silence, as it does for impatient clients.
 */
import type { Lab } from '../../src/index.ts'

export type Client = (lab: Lab) => Promise<string>

const patience = '0.8'
const bigBytes = 300_000
const name = 'echo.default.svc.cluster.local'

export function ping(place: string, target: string, ...options: readonly string[]): Client {
  return async (lab) => {
    const { status, stdout, stderr } = await lab.run(place, ['ping', '-nc1', '-W', patience, ...options, target])
    if (status === 0) return 'ok'
    const [, said] = /^From .*icmp_seq=1 (.+)$/m.exec(stdout) ?? []
    const [, error] = /^ping: (?:\w+: )?(.+)$/m.exec(stderr) ?? []
    return lower(said ?? error ?? 'silent')
  }
}

export function http(place: string, address: string, ...options: readonly string[]): Client {
  const curl = ['curl', '-sSv', '-o', '/dev/null', '-m', patience, ...options, `http://${address}`]
  return async (lab) => {
    const { status, stderr } = await lab.run(place, curl)
    if (status === 0) return 'ok'
    const [, why] = /(?:failed|failure): (.+)/.exec(stderr) ?? []
    return why === undefined ? (status === 28 ? 'silent' : `status ${status}`) : lower(why)
  }
}

/** An answer of many packets; what hangs half way is silent too. */
export function download(place: string, address: string): Client {
  return http(place, `${address}/bytes/${bigBytes}`)
}

export function upload(place: string, address: string): Client {
  return http(place, address, '--header', 'Expect:', '--data', '.'.repeat(bigBytes / 3))
}

/** Sends one datagram to an echo over a connected socket, so that the kernel reports ICMP errors. */
export function udp(place: string, address: string, size = 32): Client {
  const script = [
    `exec 3<>/dev/udp/${address}/8081`,
    `dd if=/dev/zero bs=${size} count=1 status=none >&3`,
    `timeout ${patience} dd bs=65536 count=1 status=none <&3 | wc -c`,
  ].join(' && ')
  return async (lab) => {
    const { stdout, stderr } = await lab.run(place, ['bash', '-c', script])
    if (stdout.trim() === String(size)) return 'ok'
    const [, why] = /: ([^:]+)$/m.exec(stderr) ?? []
    return why === undefined ? 'silent' : lower(why)
  }
}

/** One query; the answer's code if it is not NOERROR. */
export function dns(place: string, server: string, ...options: readonly string[]): Client {
  const dig = ['dig', `@${server}`, name, '+time=1', '+tries=1', '+ignore', ...options]
  return async (lab) => {
    const { stdout } = await lab.run(place, dig)
    const [, code] = /status: ([A-Z]+)/.exec(stdout) ?? []
    if (/flags:[^;]* tc[ ;]/.test(stdout)) return 'truncated'
    if (code !== undefined) return code === 'NOERROR' ? 'ok' : lower(code)
    const [, why] = /(?:communications error to [^:]+|failed): ([a-z ]+)/.exec(stdout) ?? []
    return why === undefined || why === 'timed out' ? 'silent' : why
  }
}

/** How long the C library takes to find a name, in seconds, or `not found`. */
export async function lookupSeconds(lab: Lab, place: string, options: string): Promise<number | 'not found'> {
  const startMs = performance.now()
  const { status } = await lab.run(place, ['env', `RES_OPTIONS=${options}`, 'getent', 'ahosts', name])
  return status === 0 ? (performance.now() - startMs) / 1000 : 'not found'
}

/** Round trip times of several pings, those that came back, in order of size. */
export async function pingTimesMs(
  lab: Lab,
  place: string,
  [target, count]: readonly [string, number],
): Promise<readonly number[]> {
  const { stdout } = await lab.run(place, ['ping', '-nc', String(count), '-i', '0.02', '-W', '1', target])
  return [...stdout.matchAll(/time=([\d.]+)/g)].map(([, time]) => Number(time)).toSorted((a, b) => a - b)
}

/** Opens several connections at once. Returns, for each that was answered, the seconds it took to open. */
export async function connect(
  lab: Lab,
  place: string,
  {
    address,
    count,
    patienceSeconds,
  }: { readonly address: string; readonly count: number; readonly patienceSeconds: number },
): Promise<readonly number[]> {
  const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', String(count)]
  const report = ['--output', '/dev/null', '--write-out', '%{http_code} %{time_connect}\n']
  const curl = ['curl', '-s', ...parallel, ...report, '-m', String(patienceSeconds), '-H', 'Connection: close']
  const { stdout } = await lab.run(place, [...curl, `http://${address}/?[1-${count}]`])
  return [...stdout.matchAll(/^200 ([\d.]+)$/gm)].map(([, seconds]) => Number(seconds))
}

export function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function lower(words: string): string {
  return words.trim().toLowerCase()
}
