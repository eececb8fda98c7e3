import type { Pulse } from './faults/fault.ts'

/** Returns a script that puts an nft table that is in force to sleep, and wakes it again after each pause. */
export function pulseScript(table: string, { onMs, offMs }: Pulse): string {
  const sleep = [`pause ${onMs / 1000}`, `nft 'table ${table} { flags dormant; }'`]
  const wake = (pauseMs: number) => [`pause ${pauseMs / 1000}`, `nft add table ${table}`]
  return [
    // A running nft ends before the script does: it would bring back a table that is deleted after that.
    'trap exit TERM',
    'pause() { sleep "$1" & wait $!; }',
    'echo ready',
    ...(offMs === undefined ? sleep : ['while :; do', ...sleep, ...wake(offMs), 'done']),
  ].join('\n')
}
