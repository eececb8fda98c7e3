/** Pause before another try: doubles with each failure up to a most, and is spread so that many who failed together do not retry together. */
export function backoffMs(
  failures: number,
  { firstMs, mostMs }: { readonly firstMs: number; readonly mostMs: number },
): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30)) * (0.5 + Math.random() / 2)
}
