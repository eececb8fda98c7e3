import { expect, onTestFinished, test } from 'vitest'
import { linkLocalAddress, namespaces, startInNamespace } from '../../../../../test/support/child.ts'
import { describeWith } from '../../../../../test/support/requirements.ts'

describeWith('ip', namespaces)('a link-local address', () => {
  const bare = linkLocalAddress.replace('%lo', '')

  const results = async (target: (host: string) => string, protocol: 'tcp' | 'icmp' | 'udp' | 'syn' | 'http') => {
    const child = await startInNamespace()
    onTestFinished(() => child.close())
    return Promise.all(
      ['%lo', '%1'].map((zone) => child.probe(protocol, target(`${bare}${zone}`), { timeoutMs: 1_000 })),
    )
  }

  test.for([
    ['icmp', (host: string) => host, 'ok'],
    ['tcp', (host: string) => `[${host}]:9`, 'refused'],
    ['udp', (host: string) => `[${host}]:9`, 'refused'],
    ['syn', (host: string) => `[${host}]:9`, 'refused'],
    ['http', (host: string) => `http://[${host}]:9/`, 'refused'],
    ['http', (host: string) => `http://[${host.replace('%', '%25')}]:9/`, 'refused'],
  ] as const)('is probed by %s with a zone that is a name or an index', async ([protocol, target, expected]) => {
    const outcomes = (await results(target, protocol)).map((result) => (result.ok ? 'ok' : result.failure.reason))
    expect(outcomes).toEqual([expected, expected])
  })
})
