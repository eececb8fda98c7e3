import { networkInterfaces } from 'node:os'

/** Addresses under which others reach what listens at `host`: itself, or every address of this host when it stands for all. */
export function addressesReachedAt(host: string): readonly string[] {
  if (host !== '::' && host !== '0.0.0.0') return [host]
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses)
  const usable = all.filter(({ internal, scopeid = 0 }) => !internal && scopeid === 0)
  return usable.filter(({ family }) => host === '::' || family === 'IPv4').map(({ address }) => address)
}
