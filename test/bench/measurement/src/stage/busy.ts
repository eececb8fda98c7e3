const busyShare = 0.8

/** Blocks this thread's event loop for 80 % of the time, in stretches of 5 to 20 ms, as garbage collection, TLS and JSON do. */
export function keepBusy(): void {
  const turn = () => {
    const blockMs = 5 + Math.random() * 15
    const endMs = performance.now() + blockMs
    while (performance.now() < endMs);
    setTimeout(turn, (blockMs * (1 - busyShare)) / busyShare)
  }
  turn()
}
