const units = [
  { name: 'ns', sizeNs: 1 },
  { name: 'µs', sizeNs: 1e3 },
  { name: 'ms', sizeNs: 1e6 },
  { name: 's', sizeNs: 1e9 },
] as const

/** Returns a number with three significant digits: `1.25`, `12.3`, `123`. */
export function threeDigits(value: number): string {
  if (!Number.isFinite(value)) return '?'
  if (value === 0) return '0'
  const rounded = Number(value.toPrecision(3))
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))))
  return rounded.toFixed(Math.min(digits, 6))
}

/** Returns `312 µs`, `1.25 ms` or `3.00 s`. */
export function durationText(ns: number): string {
  const rounded = Number(ns.toPrecision(3))
  const unit = units.findLast(({ sizeNs }) => rounded >= sizeNs) ?? units[0]
  return `${threeDigits(ns / unit.sizeNs)} ${unit.name}`
}

/** Returns `1.23 %`. */
export function shareText(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${threeDigits((100 * part) / whole)} %`
}

/** Returns `12 s`, `2 min`, `3 h` or `2 d`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** Returns `2 min ago`, or `just now`. */
export function ageText(ms: number): string {
  return ms < 1000 ? 'just now' : `${spanText(ms)} ago`
}

/** Returns the time of day in the zone of the browser: `13:05:11`. */
export function clockText(atMs: number): string {
  const at = new Date(atMs)
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

/** Returns `3 nodes` or `1 node`. */
export function countText(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
