import { LabError } from './errors.ts'

/** What no lab can do without, by the names of scripts/system-tools.mjs. */
const tools = ['unshare', 'nsenter', 'setpriv', 'ip', 'nft'] as const

/** Throws an `unsupported` error that names the packages this machine lacks. */
export async function checkTools(): Promise<void> {
  // By its address, for the compiler: it is no part of this program and runs as it is, before anything is built.
  const list = new URL('../../../scripts/system-tools.mjs', import.meta.url).href
  const { whyMissing }: { whyMissing: (name: (typeof tools)[number]) => string | undefined } = await import(list)
  const lacking = new Set(tools.flatMap((name) => whyMissing(name) ?? []))
  if (lacking.size > 0) throw new LabError('unsupported', `a lab ${[...lacking].join(', and ')}`)
}
