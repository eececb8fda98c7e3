import { rmSync } from 'node:fs'
import { run } from '../command.mjs'

/**
 * @typedef {object} Build
 * @property {string} context
 * @property {string} file the Containerfile
 * @property {string} name name of the image
 * @property {Readonly<Record<string, string>>} [args] build arguments
 * @property {Readonly<Record<string, string>>} [secrets] files by the ids of their secrets
 *
 * @typedef {object} Builder a program that builds images
 * @property {string} command
 * @property {() => Promise<boolean>} works whether its engine answers, if it has one
 * @property {(name: string) => Promise<boolean>} has whether the image is here
 * @property {(name: string) => Promise<boolean>} pull fetches it, if a registry has it
 * @property {(build: Build) => Promise<Outcome>} build
 * @property {(name: string, path: string) => Promise<Outcome>} save as a docker-archive, which kind, ctr, docker and podman load
 *
 * @typedef {{ isOk: boolean, output: string }} Outcome
 */

/** @type {readonly Builder[]} */
const builders = [
  builder('docker', { env: { DOCKER_BUILDKIT: '1' }, save: (name, path) => ['save', '--output', path, name] }),
  builder('podman', {
    buildFlags: ['--layers', '--format', 'docker'],
    save: (name, path) => ['save', '--format', 'docker-archive', '--output', path, name],
  }),
  builder('buildah', {
    // Runs the steps of a build with chroot alone, so that it works inside a container, too.
    env: { BUILDAH_ISOLATION: 'chroot' },
    buildFlags: ['--layers', '--format', 'docker'],
    save: (name, path) => ['push', '--quiet', name, `docker-archive:${path}:${name}`],
  }),
  // Works without the overlay file system.
  builder('buildah', {
    env: { BUILDAH_ISOLATION: 'chroot', STORAGE_DRIVER: 'vfs' },
    buildFlags: ['--layers', '--format', 'docker'],
    save: (name, path) => ['push', '--quiet', name, `docker-archive:${path}:${name}`],
  }),
]

/**
 * Returns the first builder that works here; a docker client without an engine does not.
 *
 * @param {string} [command] the only builder to try
 */
export async function findBuilder(command) {
  for (const candidate of builders) {
    if ((command === undefined || candidate.command === command) && (await candidate.works())) return candidate
  }
  return undefined
}

/**
 * @param {string} command
 * @param {{ env?: NodeJS.ProcessEnv, buildFlags?: readonly string[], save: (name: string, path: string) => readonly string[] }} ways
 * @returns {Builder}
 */
function builder(command, { env, buildFlags = [], save }) {
  /** @param {readonly string[]} args */
  const call = (args) => run(command, args, { env: { ...env, ...process.env } })
  return {
    command,
    works: async () => (await call(['info'])).isOk,
    has: async (name) => (await call(['inspect', '--type', 'image', name])).isOk,
    pull: async (name) => (await call(['pull', '--quiet', name])).isOk,
    build: ({ context, file, name, args = {}, secrets = {} }) =>
      call([
        'build',
        ...buildFlags,
        ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
        ...Object.entries(secrets).flatMap(([id, path]) => ['--secret', `id=${id},src=${path}`]),
        `--file=${file}`,
        `--tag=${name}`,
        context,
      ]),
    save: (name, path) => {
      rmSync(path, { force: true }) // otherwise an existing archive is extended, or rejected
      return call(save(name, path))
    },
  }
}
