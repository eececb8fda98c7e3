import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../stage/folder.ts'
import type { Host } from '../stage/host.ts'
import { seen, sleep } from '../stage/tool.ts'
import { type Capture, readPcap } from './pcap.ts'

/** Enough of a packet for all headers and the fields that identify a request. */
const snapBytes = 192
/** The kernel hands blocks of packets over when they are full, or after a second. */
const settleMs = 1_100

/** A device of this side, or of a host. */
export interface Tap {
  readonly device: string
  readonly host?: Pick<Host, 'inside'>
}

/**
 * What tcpdump saw on a device while `work` ran, with the kernel's stamps. Not in its immediate mode: that wakes tcpdump for every
 * packet, on the sender's time and after the stamp was taken, so that each departure seems several microseconds too early.
 */
export async function captured<T>(
  { device, host }: Tap,
  work: () => Promise<T>,
): Promise<{ readonly capture: Capture; readonly outcome: T }> {
  const file = join(temporaryFolder(), `${device}.pcap`)
  const args = ['-n', '-i', device, '--time-stamp-precision=nano', '-s', String(snapBytes), '-B', '32768']
  const command = ['tcpdump', ...args, '-Z', 'root', '-w', file]
  const [program = '', ...rest] = host === undefined ? command : host.inside(command)
  const tcpdump = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  let words = ''
  tcpdump.stderr.on('data', (text: Buffer) => {
    words += text.toString()
  })
  await seen(tcpdump, /listening on/)
  let outcome: T
  try {
    outcome = await work()
  } finally {
    await sleep(settleMs)
    const ended = once(tcpdump, 'close')
    tcpdump.kill('SIGINT')
    await ended
  }
  const dropped = /(?<count>\d+) packets dropped by kernel/.exec(words)?.groups?.['count']
  if (dropped !== '0') throw new Error(`the capture on ${device} is not complete: ${words.trim()}`)
  return { capture: readPcap(await readFile(file)), outcome }
}
