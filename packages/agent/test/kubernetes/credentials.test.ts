import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { createAccess } from '../../src/kubernetes/credentials.ts'
import { listAndWatch, type Timing } from '../../src/kubernetes/list-watch.ts'
import { type ApiDouble, startApiDouble } from '../support/api-double.ts'
import { overwriteKubeconfig, type Written, writeKubeconfig } from '../support/kubeconfig.ts'

const it = testWith('openssl')

let made: ReturnType<typeof selfSigned> | undefined
/** One certificate for all tests, created on first use. */
function tls() {
  made ??= selfSigned('IP:127.0.0.1')
  return made
}

/** Writes a kubeconfig that trusts that certificate. */
function kubeconfig(written: Written): string {
  return writeKubeconfig({ ca: tls().cert, ...written })
}

/** Watches slices with this access; records the number of reports, and the trouble if there is any. */
function watch(access: ReturnType<typeof createAccess>, timing: Partial<Timing> = {}) {
  const stopping = new AbortController()
  const seen = { trouble: '', listings: 0 }
  const ended = listAndWatch(
    {
      access,
      resource: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' },
      parse: () => undefined,
      onOdd() {},
      onDefect: (error) => {
        throw error
      },
      onListing({ items, trouble }) {
        if (items !== undefined) seen.listings++
        seen.trouble = trouble?.message ?? ''
      },
      timing: { retryFirstMs: 1, retryMostMs: 20, ...timing },
    },
    stopping.signal,
  )
  onTestFinished(async () => {
    stopping.abort()
    await ended
  })
  return seen
}

const watched = (api: ApiDouble) => eventually(() => api.watches === 1, 'a watch')

describe('access by kubeconfig', () => {
  it('uses TLS with the authority and the token of the file', async () => {
    const api = await startApiDouble({ tls: tls(), acceptedToken: () => 'secret' })
    watch(createAccess({ kubeconfig: kubeconfig({ server: api.server, user: { token: 'secret' } }), environment: {} }))
    await watched(api)
    expect(api.requests[0]?.authorization).toBe('Bearer secret')
  })

  it('uses the file named by KUBECONFIG', async () => {
    const api = await startApiDouble({ tls: tls() })
    const path = kubeconfig({ server: api.server })
    const before = process.env['KUBECONFIG']
    process.env['KUBECONFIG'] = path
    onTestFinished(() => {
      if (before === undefined) delete process.env['KUBECONFIG']
      else process.env['KUBECONFIG'] = before
    })
    watch(createAccess({ environment: process.env }))
    await watched(api)
    expect(api.requests).toHaveLength(2)
  })

  it('reloads the file when its token is rejected, as after a rotation', async () => {
    let token = 'old'
    const api = await startApiDouble({ tls: tls(), acceptedToken: () => token })
    const path = kubeconfig({ server: api.server, user: { token } })
    const seen = watch(createAccess({ kubeconfig: path, environment: {} }))
    await watched(api)
    token = 'new'
    overwriteKubeconfig(path, { server: api.server, user: { token }, ca: tls().cert })
    api.endWatches()
    await eventually(() => api.requests.at(-1)?.authorization === 'Bearer new', 'the new token')
    await watched(api)
    expect(api.requests.map(({ verb, authorization }) => `${verb} ${authorization}`)).toEqual([
      'list Bearer old',
      'watch Bearer old',
      'watch Bearer old',
      'watch Bearer new',
    ])
    expect(seen.trouble).toBe('')
  })

  it('retries if the file cannot be read after its token was rejected', async () => {
    let token = 'old'
    const api = await startApiDouble({ tls: tls(), acceptedToken: () => token })
    const path = kubeconfig({ server: api.server, user: { token } })
    const seen = watch(createAccess({ kubeconfig: path, environment: {} }))
    await watched(api)
    writeFileSync(path, 'users: [')
    token = 'new'
    api.endWatches()
    await eventually(() => seen.trouble !== '', 'trouble')
    expect(seen.trouble).toMatch(/^cannot read the credentials for https:.*: cannot use the kubeconfig /)
    overwriteKubeconfig(path, { server: api.server, user: { token }, ca: tls().cert })
    await watched(api)
    await eventually(() => seen.trouble === '', 'the end of trouble')
  })

  it('reads a token from a file that ends with a line feed', async () => {
    const api = await startApiDouble({ tls: tls(), acceptedToken: () => 'secret' })
    const tokenFile = join(kubeconfig({ server: api.server }), '..', 'token')
    writeFileSync(tokenFile, 'secret\n')
    watch(
      createAccess({
        kubeconfig: kubeconfig({ server: api.server, user: { 'token-file': tokenFile } }),
        environment: {},
      }),
    )
    await watched(api)
    expect(api.requests[0]?.authorization).toBe('Bearer secret')
  })

  it('runs the exec plugin for a token, and reports its failure', async () => {
    const api = await startApiDouble({ tls: tls(), acceptedToken: () => 'made' })
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'made' },
    }
    const exec = (script: string) => ({
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script] },
    })
    const user = exec(`echo '${JSON.stringify(credential)}'`)
    watch(createAccess({ kubeconfig: kubeconfig({ server: api.server, user }), environment: {} }))
    await watched(api)
    const failing = exec('echo please log in >&2; exit 1')
    const seen = watch(createAccess({ kubeconfig: kubeconfig({ server: api.server, user: failing }), environment: {} }))
    await eventually(() => seen.trouble !== '', 'trouble')
    expect(seen.trouble).toBe(`cannot read the credentials for ${api.server}: please log in`)
  })

  it('stops waiting for an exec plugin that hangs, and sends no request without a token', async () => {
    const api = await startApiDouble({ tls: tls() })
    const user = {
      exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', 'exec sleep 1'] },
    }
    const access = createAccess({ kubeconfig: kubeconfig({ server: api.server, user }), environment: {} })
    const seen = watch(access, { answerMs: 100 })
    await eventually(() => seen.trouble !== '', 'trouble')
    expect(seen.trouble).toBe(`cannot read the credentials for ${api.server}: timeout after 0.1 s`)
    expect(api.requests).toEqual([])
  })

  it('rejects a certificate of another authority, with the remedy', async () => {
    const api = await startApiDouble({ tls: tls() })
    const ca = selfSigned('IP:127.0.0.1').cert
    const seen = watch(createAccess({ kubeconfig: kubeconfig({ server: api.server, ca }), environment: {} }))
    await eventually(() => seen.trouble !== '', 'trouble')
    expect(seen.trouble).toMatch(
      /^cannot reach the API server at https:.*certificate.* \(set its certificate authority in the kubeconfig\)$/,
    )
  })

  it.each([
    {
      what: 'a missing file',
      options: () => ({ kubeconfig: '/nonexistent/config' }),
      sentence: /^cannot use the kubeconfig \/nonexistent\/config: ENOENT/,
    },
    {
      what: 'a misspelt context',
      options: () => ({ kubeconfig: kubeconfig({ server: 'https://a', contexts: ['staging'] }), context: 'stagign' }),
      sentence: /^there is no context "stagign" in the kubeconfig .*: did you mean staging\?$/,
    },
    {
      what: 'an unknown context',
      options: () => ({
        kubeconfig: kubeconfig({ server: 'https://a', contexts: ['one', 'two'] }),
        context: 'production',
      }),
      sentence: /^there is no context "production" in the kubeconfig .*: it has one, two$/,
    },
    {
      what: 'no current context',
      options: () => ({ kubeconfig: kubeconfig({ server: 'https://a', contexts: [] }) }),
      sentence: /^the kubeconfig has no current context: name one with --context$/,
    },
    {
      what: 'no kubeconfig at all',
      options: () => ({ environment: { HOME: '/nonexistent' } }),
      sentence:
        /^there is no kubeconfig: KUBECONFIG is not set and .*\/\.kube\/config does not exist: set --kubeconfig, or run kubectl proxy/,
    },
  ])('names the mistake of $what', ({ options, sentence }) => {
    expect(() => createAccess({ environment: {}, ...options() })).toThrow(sentence)
  })
})
