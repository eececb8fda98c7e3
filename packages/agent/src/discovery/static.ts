import { readFile } from 'node:fs/promises'
import { loadWritten, ScoutError } from '@scout/core'
import { parse } from 'yaml'
import type { z } from 'zod'
import { explainError, explainMisfit } from '../config/misfit.ts'
import type { Discovery } from '../peers/knowledge.ts'
import { listedPeer, type Peer, writtenPeers } from '../peers/peer.ts'

type WrittenPeers = z.output<typeof writtenPeers>

/** Finds peers in a list that does not change. */
export function createListDiscovery(peers: WrittenPeers, trouble?: string): Discovery {
  return {
    async start(onKnowledge) {
      onKnowledge({ peers: peers.map(listedPeer), source: 'configuration', trouble })
    },
    stop() {},
  }
}

export interface FileDiscoveryOptions {
  readonly path: string
  /** Interval between reads of the file. */
  readonly pollMs: number
  /** Called once for each broken version of the file after the first; the previous peers stay. */
  readonly onBroken: (error: Error) => void
}

/**
 * Finds peers in a YAML file. The file is polled, because a mounted ConfigMap is replaced through symbolic links. A change counts only when
 * two reads agree, because the file may be read while it is being written.
 * @throws {ScoutError} `invalid-option` when the first read fails, before `start`.
 */
export async function openFileDiscovery({ path, pollMs, onBroken }: FileDiscoveryOptions): Promise<Discovery> {
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  let known = await readText(path)
  let seen = known
  let peers = peersIn(path, known)
  return {
    async start(onKnowledge) {
      const report = (trouble?: string) =>
        onKnowledge({ peers, source: path, ...(trouble === undefined ? {} : { trouble, heardAtMs: Date.now() }) })
      const learn = () => {
        try {
          peers = peersIn(path, known)
          report()
        } catch (error) {
          if (!(error instanceof ScoutError)) throw error
          onBroken(error)
          report(error.message)
        }
      }
      const look = async () => {
        const found = await readText(path)
        if (isStopped) return
        const isNew = String(found) === String(seen) && String(found) !== String(known)
        seen = found
        if (isNew) {
          known = found
          learn()
        }
        lookLater()
      }
      const lookLater = () => {
        timer = setTimeout(() => void look(), pollMs)
      }
      report()
      lookLater()
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** Returns the content of the file, or why it cannot be read. */
async function readText(path: string): Promise<string | Error> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function peersIn(path: string, text: string | Error): readonly Peer[] {
  let content: unknown
  try {
    if (text instanceof Error) throw text
    content = parse(text)
  } catch (cause) {
    throw new ScoutError('invalid-option', `cannot read the peers in ${path}: ${explainError(cause)}`, { cause })
  }
  const loaded = loadWritten(writtenPeers, content ?? [])
  if (loaded.ok) return loaded.value.map(listedPeer)
  throw new ScoutError('invalid-option', `cannot use the peers in ${path}: ${explainMisfit(loaded.misfit)}`)
}
