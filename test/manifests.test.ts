import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'

const deploy = new URL('../deploy/', import.meta.url)

const daemonSet = z.object({
  kind: z.literal('DaemonSet'),
  spec: z.object({
    template: z.object({
      spec: z.looseObject({
        securityContext: z.looseObject({}),
        containers: z.array(
          z.looseObject({
            command: z.array(z.string()).default([]),
            securityContext: z.looseObject({ capabilities: z.looseObject({ add: z.array(z.string()).default([]) }) }),
          }),
        ),
        volumes: z.array(z.record(z.string(), z.unknown())),
      }),
    }),
  }),
})

async function podOf(file: string) {
  const documents = parseAllDocuments(await readFile(new URL(file, deploy), 'utf8'))
  const [found, ...others] = documents.flatMap((document) => daemonSet.safeParse(document.toJS()).data ?? [])
  if (found === undefined || others.length > 0) throw new Error(`${file} has one DaemonSet`)
  return found.spec.template.spec
}

describe.each(['scout.yaml', 'scout-restricted.yaml'])('the agents of deploy/%s', (file) => {
  test('share no namespace and no file with their node', async () => {
    const { volumes, ...pod } = await podOf(file)
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(key)
    expect(volumes.flatMap(Object.keys)).not.toContain('hostPath')
  })

  test('can write no file of the image, gain no privilege, and make only usual system calls', async () => {
    const { securityContext, containers } = await podOf(file)
    expect(securityContext).toMatchObject({ seccompProfile: { type: 'RuntimeDefault' } })
    for (const { securityContext: own } of containers) {
      expect(own).toMatchObject({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      })
      expect(own).not.toHaveProperty('privileged')
    }
  })
})

test('the restricted agents are an ordinary user from the start, without any capability', async () => {
  const { securityContext, containers } = await podOf('scout-restricted.yaml')
  expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532 })
  expect(containers.flatMap(({ securityContext: { capabilities } }) => capabilities.add)).toEqual([])
})

test('the other agents become an ordinary user with the capabilities of the values, and no others', async () => {
  const { containers } = await podOf('scout.yaml')
  const { capabilities } = await values()
  for (const { command, securityContext } of containers) {
    expect(securityContext.capabilities.add).toEqual([...capabilities, 'SETUID', 'SETGID'])
    const kept = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join()
    expect(command).toEqual([
      'setpriv',
      '--reuid=65532',
      '--regid=65532',
      '--clear-groups',
      `--inh-caps=${kept}`,
      `--ambient-caps=${kept}`,
      'scout-agent',
    ])
  }
})

test('each capability of the values has its reason above it', async () => {
  const { text, capabilities } = await values()
  expect(capabilities).toEqual(['NET_RAW'])
  for (const name of capabilities) expect(text).toMatch(new RegExp(`\n +# \\w.*\n +- ${name}\n`))
})

async function values() {
  const text = await readFile(new URL('helm/scout/values.yaml', deploy), 'utf8')
  const { capabilities } = z.object({ capabilities: z.array(z.string()) }).parse(parse(text))
  return { text, capabilities }
}
