import { isSystemError } from '../model/failure.ts'

interface Started {
  readonly port: number
  close(): void | Promise<void>
}

/** Ports that the host chooses for one transport and may have given away for the other. */
const mostTries = 20

/**
 * Starts two services on one port, as TCP and UDP: `first` on the given port, `second` on the port that `first` got. Where the host
 * chose a port (0) that is taken for `second`, both start again on another.
 * @throws what starting throws, such as `EADDRINUSE` for a given port; nothing is left open then
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
