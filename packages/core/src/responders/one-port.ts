import { isSystemError } from '../model/failure.ts'

interface Started {
  readonly port: number
  close(): void | Promise<void>
}

/** Limit on attempts to find a port that is free for both transports. */
const mostTries = 20

/**
 * Starts two services on one port, such as TCP and UDP: `first` on the given port, `second` on the port of `first`. If `port` is 0 and
 * the port chosen by the host is in use for `second`, both restart on another one.
 * @throws the error of a failed start, such as `EADDRINUSE` for a given port; nothing stays open then
 */
export async function startOnOnePort<First extends Started, Second extends Started>(
  port: number,
  first: (port: number) => Promise<First>,
  second: (port: number) => Promise<Second>,
): Promise<readonly [First, Second]> {
  for (let tries = 1; ; tries++) {
    const one = await first(port)
    try {
      return [one, await second(one.port)]
    } catch (error) {
      await one.close()
      const isTaken = isSystemError(error) && error.code === 'EADDRINUSE'
      if (port !== 0 || !isTaken || tries === mostTries) throw error
    }
  }
}
