import { type Address, canonicalAddress } from '../../model/address.ts'
import { readIfThere } from './resolv-conf.ts'

/** Returns the addresses of a name in a hosts file (hosts(5)), in the order of the file. Names are compared without case. */
export function addressesInHosts(name: string, path = '/etc/hosts'): readonly Address[] {
  const wanted = name.toLowerCase().replace(/\.$/, '')
  return readIfThere(path)
    .split('\n')
    .flatMap((line) => {
      const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
      return names.some((one) => one.toLowerCase() === wanted) ? (canonicalAddress(address) ?? []) : []
    })
}
