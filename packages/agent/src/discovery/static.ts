import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Peer, writtenPeer } from '../peer.ts'
import type { Discovery } from './discovery.ts'

const writtenPeers = z.array(writtenPeer).superRefine((peers, context) => {
  const names = new Set<string>()
  for (const [index, { name }] of peers.entries()) {
    if (names.has(name))
      context.addIssue({ code: 'custom', message: `names "${name}" a second time`, path: [index, 'name'] })
    names.add(name)
  }
})

type WrittenPeers = z.output<typeof writtenPeers>

/** Peers from a list that does not change. */
export function createListDiscovery(peers: WrittenPeers): Discovery {
  return {
    async start(onKnowledge) {
      onKnowledge({ peers: peers.map(readyPeer), source: 'configuration', heardAtMs: Date.now() })
    },
    stop() {},
  }
}

export interface FileDiscoveryOptions {
  readonly path: string
  /** How often the file is looked at; polled, since a mounted ConfigMap is replaced through a symbolic link. */
  readonly pollMs: number
  /** Told once of each broken version of the file, after the first; the peers stay as they were. */
  readonly onBroken: (error: Error) => void
}

/** Peers from a YAML file, read again when it changes. The first reading must succeed. */
export function createFileDiscovery({ path, pollMs, onBroken }: FileDiscoveryOptions): Discovery {
  let onChange: (() => void) | undefined
  return {
    async start(onKnowledge) {
      let peers = await readPeers(path)
      const tell = (trouble?: string) =>
        onKnowledge({ peers, source: path, heardAtMs: Date.now(), ...(trouble === undefined ? {} : { trouble }) })
      const readAgain = async () => {
        try {
          peers = await readPeers(path)
          tell()
        } catch (error) {
          if (!(error instanceof Error)) throw error
          onBroken(error)
          tell(error.message)
        }
      }
      onChange = () => void readAgain()
      watchFile(path, { interval: pollMs }, onChange)
      tell()
    },
    stop() {
      if (onChange !== undefined) unwatchFile(path, onChange)
    },
  }
}

async function readPeers(path: string): Promise<readonly Peer[]> {
  let content: unknown
  try {
    content = parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new Error(`cannot read the peers in ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  const parsed = writtenPeers.safeParse(content ?? [])
  if (parsed.success) return parsed.data.map(readyPeer)
  const [issue] = parsed.error.issues
  throw new Error(`cannot use the peers in ${path}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim())
}

/** A list knows no life cycle: who is on it is ready, and replaced when its addresses change. */
function readyPeer(peer: WrittenPeers[number]): Peer {
  return { ...peer, id: `${peer.name} ${peer.addresses.join(' ')} ${peer.port}`, state: 'ready' }
}
