import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const document = fileURLToPath(new URL('../../../../../docs/measurement.md', import.meta.url))

/** Puts figures into docs/measurement.md, between the marks of the bench that took them. */
export async function writeIntoDocument(bench: 'accuracy' | 'cost' | 'paths', text: string): Promise<void> {
  const before = await readFile(document, 'utf8')
  const part = new RegExp(`(<!-- ${bench} -->\n)[^]*(<!-- end of ${bench} -->)`)
  if (!part.test(before)) throw new Error(`${document} has no place for the figures of ${bench}`)
  await writeFile(
    document,
    before.replace(part, (_, start: string, end: string) => `${start}\n${text}\n\n${end}`),
  )
}
