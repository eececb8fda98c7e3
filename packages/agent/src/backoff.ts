/** Returns the pause before a retry. It doubles with each failure up to a maximum, with jitter so that agents that failed together do not retry together. */
export function backoffMs(
  failures: number,
  { firstMs, mostMs }: { readonly firstMs: number; readonly mostMs: number },
): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30)) * (0.5 + Math.random() / 2)
}
