import { isMainThread } from 'node:worker_threads'

// Loaded before the agent, in each of its threads: at SIGUSR2 all threads but the main one hang, and the clock of the main one advances by
// half a minute.
const stick = new BroadcastChannel('stick')
stick.unref()
if (isMainThread) {
  const now = performance.now.bind(performance)
  let aheadMs = 0
  performance.now = () => now() + aheadMs
  process.on('SIGUSR2', () => {
    stick.postMessage('now')
    aheadMs += 30_000
  })
} else {
  stick.addEventListener('message', () => {
    for (;;);
  })
}
