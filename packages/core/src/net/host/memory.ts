import { nativePart } from '../native/native.ts'

/**
 * Gives the kernel memory that this process holds and does not use: blocks that were freed, and pages of programs that only the start
 * needed. Takes a few milliseconds; for a program that runs for days. Does nothing without the native part.
 */
export function giveBackMemory(): void {
  const part = nativePart()
  if (part.isPresent) part.native.giveBackMemory()
}
