/** Returns `2023/10/30 17:09:49`, the prefix of lines of Go's log package. */
export function formatLogTime(date: Date): string {
  return `${day(date, '/')} ${clock(date)}`
}

/**
 * Returns `2023-10-30 17:09:49.89942 -0500 CDT m=+0.046433751`, as Go prints a time: wall clock, offset and name of the zone, and the
 * monotonic seconds since the process started.
 */
export function formatGoDateTime(date: Date): string {
  const monotonicSeconds = (performance.now() + (date.getTime() - Date.now())) / 1000
  const fraction = String(date.getMilliseconds()).padStart(3, '0').replace(/0+$/, '')
  const sign = monotonicSeconds < 0 ? '-' : '+'
  return `${day(date, '-')} ${clock(date)}${fraction === '' ? '' : `.${fraction}`} ${offset(date)} ${zoneName(date)} m=${sign}${Math.abs(monotonicSeconds).toFixed(9)}`
}

function day(date: Date, separator: string): string {
  return [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(pad).join(separator)
}

function clock(date: Date): string {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(':')
}

function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset()
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}${pad(size % 60)}`
}

// Created on first use and kept: creating it is the slowest step here, and the answer to a peer's probe waits for it.
let zoneNames: Intl.DateTimeFormat | undefined

function zoneName(date: Date): string {
  // Where pods run, mostly. The tables with the names of all zones take 2 MiB.
  if (isAlwaysUtc(date.getFullYear())) return 'UTC'
  zoneNames ??= new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
  const parts = zoneNames.formatToParts(date)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC'
}

/** The other zones without summer time and offset, such as Iceland's, are called UTC, too. */
function isAlwaysUtc(year: number): boolean {
  return [0, 6].every((month) => new Date(year, month).getTimezoneOffset() === 0)
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
