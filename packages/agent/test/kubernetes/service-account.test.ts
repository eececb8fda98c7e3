import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it as plainIt } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { readJson } from '../../src/kubernetes/api.ts'
import { createServiceAccountAccess } from '../../src/kubernetes/service-account.ts'
import { type ApiDouble, startApiDouble } from '../support/api-double.ts'
import { temporaryFolder } from '../support/temporary.ts'

const it = testWith('openssl')

/** Starts an API server that accepts one token, and mounts a service account for it. */
async function mounted() {
  const tls = selfSigned('IP:127.0.0.1')
  let accepted = 'first'
  const api = await startApiDouble({ tls, acceptedToken: () => accepted })
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'ca.crt'), tls.cert)
  await writeFile(join(folder, 'token'), 'first')
  return {
    api,
    folder,
    access: createServiceAccountAccess(environmentOf(api), folder),
    rotate: async (token: string) => {
      accepted = token
      await writeFile(join(folder, 'token'), `${token}\n`)
    },
  }
}

function environmentOf({ server }: ApiDouble) {
  const { hostname, port } = new URL(server)
  return { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }
}

function listSlices(access: ReturnType<typeof createServiceAccountAccess>): Promise<unknown> {
  return readJson({
    access,
    resource: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' },
    verb: 'list',
    query: {},
    signal: new AbortController().signal,
    answerMs: 5_000,
    silenceMs: 5_000,
  })
}

describe('access by service account', () => {
  it('uses TLS with the mounted authority and token', async () => {
    const { api, access } = await mounted()
    expect(await listSlices(access)).toMatchObject({ items: [] })
    expect(api.requests.map(({ authorization }) => authorization)).toEqual(['Bearer first'])
  })

  it('uses a rotated token in the next request', async () => {
    const { api, access, rotate } = await mounted()
    await listSlices(access)
    await rotate('second')
    await listSlices(access)
    expect(api.requests.map(({ authorization }) => authorization)).toEqual(['Bearer first', 'Bearer second'])
  })

  it('trusts only the mounted authority', async () => {
    const { api, folder, access } = await mounted()
    await writeFile(join(folder, 'ca.crt'), selfSigned('IP:127.0.0.1').cert)
    await expect(listSlices(access)).rejects.toThrow(/^cannot reach the API server at https:.*certificate/)
    expect(api.requests).toEqual([])
  })

  it('sends no request while the token cannot be read, and says why', async () => {
    const { api, folder, access } = await mounted()
    await rm(join(folder, 'token'))
    await expect(listSlices(access)).rejects.toThrow(
      `cannot read the credentials for ${api.server}: ENOENT: no such file or directory, open '${folder}/token'`,
    )
    expect(api.requests).toEqual([])
  })

  plainIt('puts brackets around an IPv6 address', () => {
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
    expect(createServiceAccountAccess(environment).server).toBe('https://[fd00::1]:6443')
  })
})
