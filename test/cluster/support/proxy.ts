import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The API server by plain HTTP, with the rights of the kubeconfig. */
    readonly apiServer: string
  }
}

/** Vitest's global set-up: `kubectl proxy`, which supports every kind of credentials in a kubeconfig. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const proxy = spawn('kubectl', ['proxy', '--port=0'], { stdio: ['ignore', 'pipe', 'pipe'] })
  // It logs each broken connection, which tests cause on purpose.
  let words = ''
  proxy.stderr.setEncoding('utf8').on('data', (text) => {
    words = `${words}${text}`.slice(-1_000)
  })
  for await (const line of createInterface({ input: proxy.stdout })) {
    const address = /127\.0\.0\.1:\d+/.exec(line)?.[0]
    if (address === undefined) continue
    provide('apiServer', `http://${address}`)
    return async () => {
      proxy.kill()
      await once(proxy, 'exit')
    }
  }
  throw new Error(`kubectl proxy ended before it listened: ${words.trim()}`)
}
