/** Reports on stderr a step that takes time, and how long it took. */
export async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startMs = performance.now()
  process.stderr.write(`${what} … `)
  try {
    const result = await work()
    process.stderr.write(`${((performance.now() - startMs) / 1000).toFixed(2)} s\n`)
    return result
  } catch (error) {
    process.stderr.write('failed\n')
    throw error
  }
}
