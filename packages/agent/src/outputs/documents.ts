import { pipeline } from 'node:stream/promises'
import { createMeshWide, type MeshWideOptions, tagged } from './api/mesh-wide.ts'
import { createSelfDocument } from './api/self.ts'
import { incidentsDocument, meshDocument } from './mesh-documents.ts'
import { expositionOf, formatFor, formats } from './metrics/exposition.ts'
import { createLinks } from './metrics/labels.ts'
import type { Blocks, Make } from './renderings.ts'
import type { ConsoleOptions } from './server.ts'

/** A document whose size and cost grow with the mesh. */
export interface Document {
  /** Differs between documents that differ. */
  readonly name: string
  readonly type: string
  readonly make: Make
  /** Whether clients may ask whether it has changed. */
  readonly isTagged?: boolean
  /** Whether its path changes with it, so that clients may keep it. */
  readonly isImmutable?: boolean
  /** Header of requests, besides `accept-encoding`, that its form depends on. */
  readonly variesBy?: 'accept'
  /** Its Content-Security-Policy, where it needs more than none. */
  readonly policy?: string
}

/** Why a request for a document cannot be answered, which is the client's to change. */
export interface Unusable {
  readonly unusable: string
}

/** That other agents are being asked for too much. */
export interface Busy {
  readonly isBusy: true
}

type Found = Document | Unusable | Busy

type Finder = (query: URLSearchParams, accept?: string) => Found | Promise<Found>

export interface Documents {
  /** Paths of all documents, for messages. */
  readonly paths: readonly string[]
  /** Returns the document at a path; undefined if there is none. `accept`: what the client accepts, where a document has several forms. */
  find(path: string, query: URLSearchParams, accept?: string): Promise<Found | undefined>
  /** Returns the document that a peer asks for, from what this agent knows itself; undefined if there is none. */
  ownFor(question: URLSearchParams): Document | undefined
}

/** Creates the documents. */
export function createDocuments(options: MeshWideOptions & Pick<ConsoleOptions, 'metrics' | 'budget'>): Documents {
  const { row, mesh } = options
  const api = createMeshWide(options)
  const { metrics, budget } = options
  const linksOf = createLinks()
  const selfDocument = createSelfDocument()
  const finders: Readonly<Record<string, Finder>> = {
    '/metrics': (_, accept) => {
      const format = formatFor(accept)
      return {
        name: `/metrics ${format}`,
        type: formats[format],
        make: () => expositionOf(metrics, row(), { format, budget, linksOf }),
        variesBy: 'accept',
      }
    },
    '/api/v1/links': api.links,
    '/api/v1/history': api.history,
    '/api/v1/link': api.link,
    '/api/v1/incidents': () => tagged('/api/v1/incidents', () => incidentsDocument(mesh())),
    '/api/v1/mesh': () => tagged('/api/v1/mesh', () => meshDocument(mesh(), row())),
    '/api/v1/self': () => tagged('/api/v1/self', () => selfDocument(row(), mesh())),
    '/api/v1/snapshot': () => tagged('/api/v1/snapshot', row),
    '/api/v1/openapi.json': () =>
      tagged('/api/v1/openapi.json', async () => (await import('./api/open-api.ts')).openApi(row().self.version)),
  }
  return {
    paths: Object.keys(finders),
    find: async (path, query, accept) => (Object.hasOwn(finders, path) ? finders[path]?.(query, accept) : undefined),
    ownFor: api.ownFor,
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
