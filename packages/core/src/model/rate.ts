/** Rate from which packets arrive too fast to tell it: interrupt coalescing and GRO deliver them in batches. */
export const fastestBitsPerSecond = 1e9

const units = [
  { name: 'Gbit/s', bits: 1e9 },
  { name: 'Mbit/s', bits: 1e6 },
  { name: 'kbit/s', bits: 1e3 },
] as const

/** Returns a rate for people, with two or three digits: `9.9Mbit/s`. */
export function formatRate(bitsPerSecond: number): string {
  const { name, bits } = units.find((unit) => bitsPerSecond >= unit.bits) ?? units[2]
  const rate = bitsPerSecond / bits
  return `${Number(rate.toPrecision(rate < 100 ? 2 : 3))}${name}`
}
