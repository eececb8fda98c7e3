import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { programPath, run } from './tool.ts'

/** A host on the far side of a veth pair: one kernel, 500 addresses. */
export interface Host {
  /** This side's end of the pair, where the truth is taken. */
  readonly device: string
  readonly address: string
  readonly address6: string
  /** Further addresses of the same host. */
  readonly addresses: readonly string[]
  /** The command line that runs `argv` there. */
  inside(argv: readonly string[]): readonly string[]
}

interface HostOptions {
  /** 1 to 9, distinct for each device and network. */
  readonly number: number
  /** How long it waits before it answers; connections are accepted at once all the same. */
  readonly delayMs: number
}

const addressCount = 500

/** Starts a host that answers ICMP, UDP, DNS, TCP and HTTP; it ends with this process. */
export async function startHost({ number, delayMs }: HostOptions): Promise<Host> {
  const [network, network6] = [`10.${number}`, `fd00:${number}:`]
  const address = `${network}.0.2`
  const responders = [process.execPath, programPath('stage/responders.ts'), String(delayMs), address]
  const child = spawn('unshare', ['--net', ...responders], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await message(child) // it runs, in its own namespace by now
  const device = `near${number}`
  const far = `--net=/proc/${child.pid}/ns/net`
  await run(['ip', 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'far', 'netns', String(child.pid)])
  await run(['nsenter', far, 'ip', '-batch', '-'], {
    input: `
      link set lo up
      link set far up
      address add ${address}/24 dev far
      address add ${network6}:2/64 dev far nodad
      route add local ${network}.4.0/22 dev lo
      route add default via ${network}.0.1`,
  })
  await run(['ip', '-batch', '-'], {
    input: `
      link set lo up
      link set ${device} up
      address add ${network}.0.1/24 dev ${device}
      address add ${network6}:1/64 dev ${device} nodad
      route add ${network}.4.0/22 via ${address}`,
  })
  child.send('linked')
  await message(child)
  child.once('exit', (code) => {
    throw new Error(`the responders of ${device} ended with ${code}`)
  })
  return {
    device,
    address,
    address6: `${network6}:2`,
    addresses: Array.from({ length: addressCount }, (_, i) => `${network}.${4 + (i >> 8)}.${i & 255}`),
    inside: (argv) => ['nsenter', far, ...argv],
  }
}

async function message(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the responders ended with ${String(code)}`)
  })
  await Promise.race([once(child, 'message'), ended])
}
