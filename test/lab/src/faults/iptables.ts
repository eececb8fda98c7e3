import type { Family } from '../topology.ts'
import type { Change } from './fault.ts'
import { ip } from './rules.ts'

interface Rule {
  readonly table: 'raw' | 'mangle'
  /** The chain and the rule, as the tool takes them. */
  readonly text: string
}

/** Returns an iptables rule, for targets that nft has no word for. */
export function iptablesRule(namespace: string, family: Family, { table, text }: Rule): Change {
  const name = family === 'ipv4' ? 'iptables' : 'ip6tables'
  // The tool's plain name may stand for the legacy one, which keeps its rules apart from nft's; both work.
  const tool = `$(command -v ${name}-nft || echo ${name}) -w -t ${table}`
  return {
    kind: 'command',
    namespace,
    script: `${tool} -A ${text}`,
    // The tool leaves its empty table behind, if it is one of nft's.
    undo: `${tool} -D ${text}\n${tool} -S | grep -q '^-A' || nft delete table ${ip[family]} ${table} 2> /dev/null || true`,
  }
}
