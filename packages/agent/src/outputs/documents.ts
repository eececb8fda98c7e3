import { pipeline } from 'node:stream/promises'
import { expositionOf } from './exposition.ts'
import { createLinkTexts } from './labels.ts'
import { incidentsDocument, meshDocument } from './mesh-documents.ts'
import { createProcessMetrics, metrics } from './metrics.ts'
import type { Blocks, Make } from './renderings.ts'
import type { ConsoleOptions } from './server.ts'

/** A document whose size and cost grow with the mesh. */
export interface Document {
  /** Differs between documents that differ. */
  readonly name: string
  readonly type: string
  readonly make: Make
  /** Its Content-Security-Policy, where it needs more than none. */
  readonly policy?: () => Promise<string>
}

/** Paths of all documents, for messages. */
export const documentPaths = [
  '/',
  '/metrics',
  '/api/v1/incidents',
  '/api/v1/mesh',
  '/api/v1/snapshot',
  '/api/v1/history',
] as const

const json = 'application/json'

/** Returns a function that finds the document at a path. The page and its libraries are loaded when it is first made. */
export function createDocuments({ row, mesh, history }: Pick<ConsoleOptions, 'row' | 'mesh' | 'history'>) {
  const processMetrics = createProcessMetrics()
  const linkTextsOf = createLinkTexts()
  return (path: string, query: URLSearchParams): Document | undefined => {
    switch (path) {
      case '/':
        return {
          name: path,
          type: 'text/html; charset=UTF-8',
          make: async () => [Buffer.from(await (await import('./page.ts')).pageOf(row(), mesh()))],
          policy: async () => (await import('./page.ts')).pagePolicy,
        }
      case '/metrics':
        return {
          name: path,
          type: processMetrics.contentType,
          make: async () => {
            const ofProcess = Buffer.from(await processMetrics.metrics())
            return [...expositionOf(metrics, row(), linkTextsOf), ofProcess]
          },
        }
      case '/api/v1/incidents':
        return { name: path, type: json, make: () => [Buffer.from(JSON.stringify(incidentsDocument(mesh())))] }
      case '/api/v1/mesh':
        return { name: path, type: json, make: () => [Buffer.from(JSON.stringify(meshDocument(mesh(), row())))] }
      case '/api/v1/snapshot':
        return { name: path, type: json, make: () => [Buffer.from(JSON.stringify(row()))] }
      case '/api/v1/history': {
        const [check, to] = [query.get('check') ?? undefined, query.get('to') ?? undefined]
        return {
          name: JSON.stringify([path, check, to]),
          type: json,
          make: () => [Buffer.from(JSON.stringify(history({ check, to })))],
        }
      }
      default:
        return undefined
    }
  }
}

/** Returns a function that compresses documents, each once. Prometheus, browsers and curl ask for it. */
export function createCompression() {
  const known = new WeakMap<Blocks, Promise<Blocks>>()
  return async (blocks: Blocks): Promise<Blocks> => {
    const compressed = known.get(blocks) ?? compressedOf(blocks)
    known.set(blocks, compressed)
    return compressed
  }
}

async function compressedOf(blocks: Blocks): Promise<Blocks> {
  const { createGzip } = await import('node:zlib')
  const parts: Buffer[] = []
  // The fastest level: text of metrics still shrinks to a tenth or less.
  await pipeline(blocks, createGzip({ level: 1 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) parts.push(chunk)
  })
  return parts
}
