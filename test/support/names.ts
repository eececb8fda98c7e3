import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { succeeds } from './child.ts'
import type { Requirement } from './requirements.ts'

/** What a name server says to a query: addresses, or a code of a response, or nothing. */
export type Saying = readonly string[] | 'NXDOMAIN' | 'FORMERR' | 'SERVFAIL' | 'NOTIMP' | 'REFUSED' | 'silent'

/** What one name server says of each name and type. It does not know any other name; a type that is missing has no data. */
export type Zone = Readonly<Record<string, { readonly A?: Saying; readonly AAAA?: Saying; readonly CNAME?: string }>>

interface Names {
  /** Name servers by their address. */
  readonly servers?: Readonly<Record<string, Zone>>
  readonly hosts?: string
  /** Default: the name servers, in their order. */
  readonly resolvConf?: string
  readonly nsswitch?: string
  /** Addresses of this host, which are needed to reach others. */
  readonly addresses?: readonly string[]
}

const unshared = 'unshare --user --map-root-user --net --mount'.split(' ')

/** This user may have namespaces with files of their own. */
export const mountNamespaces: Requirement = {
  isMet: succeeds(...unshared, 'mount', '--bind', '/etc/hosts', '/etc/hosts'),
  reason: 'needs unprivileged user namespaces with a mount namespace',
}

/**
 * Returns the beginning of a command that runs the rest in a network of its own, which no packet leaves, with its own name servers and
 * its own files of the resolver. All of it ends with the command.
 */
export function withNames({
  servers = {},
  hosts = '',
  resolvConf,
  nsswitch,
  addresses = [],
}: Names): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'scout-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const own = Object.keys(servers)
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  write('hosts', `127.0.0.1 localhost\n${hosts}`)
  write('resolv.conf', resolvConf ?? own.map((server) => `nameserver ${server}\n`).join(''))
  write('nsswitch.conf', nsswitch ?? 'hosts: files dns\n')
  write('servers.json', JSON.stringify(servers))
  const program = fileURLToPath(new URL('name-server-main.mjs', import.meta.url))
  const script = [
    'ip link set lo up',
    ...[...own, ...addresses].map(
      (address) => `ip address add ${address} dev lo ${address.includes(':') ? 'nodad' : ''}`,
    ),
    ...['hosts', 'resolv.conf', 'nsswitch.conf'].map(
      (name) => `mount --bind "$0/${name}" "$(readlink -m /etc/${name})"`,
    ),
    'mkfifo "$0/ready" "$0/alive"',
    // The name servers end with their input, which the command holds. Its channel to the test (file 3) is not theirs.
    `{ env -u NODE_CHANNEL_FD ${quoted(process.execPath)} ${quoted(program)} "$0/servers.json" <"$0/alive" >"$0/ready" 3>&- & }`,
    'exec 9>"$0/alive"',
    'read line <"$0/ready"',
    'exec "$@"',
  ]
  return [...unshared, 'sh', '-c', script.join(' && '), folder]
}

function quoted(text: string): string {
  return `'${text}'`
}
