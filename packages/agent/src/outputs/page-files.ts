import { readdir, readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Document } from './documents.ts'

/** What `npm run build` makes of packages/agent/web. */
const folder = fileURLToPath(new URL('../../dist/web/', import.meta.url))

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=UTF-8',
  '.js': 'text/javascript; charset=UTF-8',
  '.svg': 'image/svg+xml',
}

/** What the page may load: its own files, and the API beside it. */
const policy = "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"

/** Whether there may be a file of the page at this path. */
export function isOfPage(path: string): boolean {
  return path === '/' || path.startsWith('/assets/')
}

/** Returns a function that finds a file of the page, and reads all of them when the first is asked for. */
export function createPageFiles(): (path: string) => Promise<Document | undefined> {
  let files: Promise<ReadonlyMap<string, Document>> | undefined
  return async (path) => {
    files ??= readPageFiles()
    return (await files).get(path)
  }
}

/** Reads the page, and its assets, whose names contain hashes of their contents. */
async function readPageFiles(): Promise<ReadonlyMap<string, Document>> {
  const page = [await readFile(`${folder}index.html`)]
  const assets = (await readdir(`${folder}assets`)).map(async (file): Promise<readonly [string, Document]> => {
    const content = [await readFile(`${folder}assets/${file}`)]
    const name = `/assets/${file}`
    const type = types[extname(file)] ?? 'application/octet-stream'
    return [name, { name, type, make: () => content, isImmutable: true }]
  })
  const type = 'text/html; charset=UTF-8'
  return new Map([['/', { name: '/', type, make: () => page, isTagged: true, policy }], ...(await Promise.all(assets))])
}
