import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { capability } from '../../../../../test/support/requirements.ts'
import { native, nativePresent } from './timed-sockets.ts'

/** Requirements of `createNetwork`. */
export const networkNeeds = [nativePresent, capability('CAP_SYS_ADMIN'), capability('CAP_NET_ADMIN'), 'ip'] as const

/**
 * Creates near ── router ── far: three network namespaces in a row. The second link has an MTU of 1300 bytes.
 */
export interface Network {
  readonly near: Host
  readonly router: Host
  readonly far: Host
  remove(): void
}

interface Host {
  readonly name: string
  /** Path for setns. */
  readonly path: string
  readonly ipv4: string
  readonly ipv6: string
  /** Runs a command in this namespace and returns its output. */
  run(...command: readonly string[]): string
}

export const farMtu = 1300

export function createNetwork(): Network {
  const id = randomBytes(3).toString('hex')
  const near = hostOf(`scout-near-${id}`, { ipv4: '10.88.1.1', ipv6: 'fd88:1::1' })
  const router = hostOf(`scout-router-${id}`, { ipv4: '10.88.1.2', ipv6: 'fd88:1::2' })
  const far = hostOf(`scout-far-${id}`, { ipv4: '10.88.2.1', ipv6: 'fd88:2::1' })
  for (const { name } of [near, router, far]) {
    ip('netns', 'add', name)
    // Duplicate address detection would delay IPv6 for seconds.
    ip(
      'netns',
      'exec',
      name,
      'sysctl',
      '-qw',
      'net.ipv6.conf.default.accept_dad=0',
      'net.ipv6.conf.default.dad_transmits=0',
    )
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  ip('-n', near.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'left', 'netns', router.name)
  ip('-n', far.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'right', 'netns', router.name)
  router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
  connect(near, 'eth0', ['10.88.1.1/24', 'fd88:1::1/64'])
  connect(router, 'left', ['10.88.1.2/24', 'fd88:1::2/64'])
  connect(router, 'right', ['10.88.2.2/24', 'fd88:2::2/64'])
  connect(far, 'eth0', ['10.88.2.1/24', 'fd88:2::1/64'])
  for (const [host, via] of [
    [near, ['10.88.1.2', 'fd88:1::2']],
    [far, ['10.88.2.2', 'fd88:2::2']],
  ] as const) {
    for (const address of via) ip('-n', host.name, 'route', 'add', 'default', 'via', address)
  }
  ip('-n', router.name, 'link', 'set', 'right', 'mtu', String(farMtu))
  ip('-n', far.name, 'link', 'set', 'eth0', 'mtu', String(farMtu))
  return {
    near,
    router,
    far,
    remove() {
      for (const { name } of [near, router, far]) ip('netns', 'delete', name)
    },
  }
}

/** Moves this thread into a namespace. Returns a function that moves it back. */
export function enter(path: string): () => void {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  native().enterNetworkNamespace(path)
  return () => {
    native().enterNetworkNamespace(`/proc/self/fd/${home}`)
    closeSync(home)
  }
}

function hostOf(name: string, addresses: Pick<Host, 'ipv4' | 'ipv6'>): Host {
  return {
    name,
    path: `/run/netns/${name}`,
    ...addresses,
    run: (...command) => ip('netns', 'exec', name, ...command),
  }
}

function connect({ name }: Host, device: string, addresses: readonly string[]): void {
  for (const address of addresses) ip('-n', name, 'address', 'add', address, 'dev', device)
  ip('-n', name, 'link', 'set', device, 'up')
}

function ip(...parameters: readonly string[]): string {
  return execFileSync('ip', parameters, { encoding: 'utf8' })
}
