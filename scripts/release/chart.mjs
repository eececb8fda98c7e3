import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { root } from '../command.mjs'

/** The chart, the only source of every manifest. */
export const chart = join(root, 'deploy/helm/scout')

/** @type {{ image: { registry: string, repository: string, tag: string } }} */
const { image } = parse(readFileSync(join(chart, 'values.yaml'), 'utf8'))

/** Version shared by all packages, the chart and the image. */
export const version = packageVersion()

/** Image name in the manifests. */
export const imageName = `${image.registry}/${image.repository}:${image.tag === '' ? version : image.tag}`

/** @returns {string} */
function packageVersion() {
  return JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8')).version
}
