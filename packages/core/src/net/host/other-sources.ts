import { execFile } from 'node:child_process'
import { type Address, canonicalAddress } from '../../model/address.ts'
import { readIfThere } from './resolv-conf.ts'

/**
 * Returns the addresses of a name from the sources that only the C library can ask, such as mDNS or LDAP (nsswitch.conf(5)); none if this
 * host has no such source. getent(1) asks them in a process of its own, which ends with the signal.
 */
export function addressesElsewhere(name: string, signal: AbortSignal): Promise<readonly Address[]> {
  if (!hasOtherSources()) return Promise.resolve([])
  return new Promise((resolve) => {
    execFile('getent', ['ahosts', name], { signal }, (error, output) => {
      // Exit code 2 means that no source knows the name.
      if (error !== null) return resolve([])
      resolve(output.split('\n').flatMap((line) => canonicalAddress(line.split(/\s+/, 1)[0] ?? '') ?? []))
    })
  })
}

function hasOtherSources(): boolean {
  const [, sources = ''] = /^\s*hosts:([^#\n]*)/m.exec(readIfThere('/etc/nsswitch.conf')) ?? []
  // Actions such as [NOTFOUND=return] are no sources.
  const names = sources.replaceAll(/\[[^\]]*\]/g, ' ').match(/\S+/g) ?? []
  return names.some((source) => source !== 'files' && source !== 'dns')
}
