import type { Family } from '@scout/core'
import { describe, expect, it } from 'vitest'
import type { KnownPeer } from '../../src/peers/roster.ts'
import { greeting } from '../support/greetings.ts'
import { checkOf, dnsTasksOf, known, tasksOf } from '../support/tasks.ts'

const checks = [
  checkOf('http', { protocol: 'http' }),
  checkOf('tcp'),
  checkOf('by-name', { protocol: 'http', target: 'http://{name}.scout/' }),
  checkOf('dns', { protocol: 'dns', target: 'kubernetes.default' }),
]
const addresses = ['10.0.0.1', 'fd00::1']
const proxy = 'http://127.0.0.1:8001/api/v1/namespaces/scout/pods/a:8081/proxy'

function targets(more: Partial<KnownPeer>, families?: readonly Family[]): readonly string[] {
  return tasksOf([known('a', { addresses, ...more })], checks, families).map(({ target }) => target)
}

describe('the plan', () => {
  it('has a task for each check and address, and one for each check that is not about addresses', () => {
    expect(targets({})).toEqual([
      'http://10.0.0.1:8081/',
      'http://[fd00::1]:8081/',
      '10.0.0.1:8081',
      '[fd00::1]:8081',
      'http://a.scout/',
      'kubernetes.default',
    ])
  })

  it('omits addresses of families that this agent does not have', () => {
    expect(targets({}, ['ipv6'])).toEqual([
      'http://[fd00::1]:8081/',
      '[fd00::1]:8081',
      'http://a.scout/',
      'kubernetes.default',
    ])
  })

  it('makes streams of as many tasks as the agent can afford, first of the first address of each peer', () => {
    const stream = checkOf('udp', { protocol: 'udp', isStream: true })
    const paces = (peers: number) =>
      tasksOf(
        Array.from({ length: peers }, (_, index) =>
          known(`p${index}`, { addresses: [`10.0.0.${index}`, `fd00::${index}`] }),
        ),
        [stream, checkOf('tcp')],
      ).map(({ key, perInterval }) => `${key.check} ${key.family} ${perInterval}`)
    const countOf = (texts: readonly string[]) => (text: string) => texts.filter((one) => one === text).length
    expect(paces(1)).toEqual(['udp ipv4 20', 'udp ipv6 5', 'tcp ipv4 undefined', 'tcp ipv6 undefined'])
    expect(['udp ipv4 20', 'udp ipv6 5', 'udp ipv6 undefined'].map(countOf(paces(50)))).toEqual([50, 14, 36])
    expect(['udp ipv4 20', 'udp ipv4 undefined', 'udp ipv6 undefined'].map(countOf(paces(100)))).toEqual([64, 36, 100])
  })

  it('has only HTTP to the responder of a peer behind the proxy of an API server', () => {
    expect(targets({ proxy })).toEqual([`${proxy}/`, 'kubernetes.default'])
  })

  it('has nothing for a peer without addresses', () => {
    expect(targets({ addresses: [] })).toEqual(['kubernetes.default'])
  })

  it('has the series of each task: nodes, path, vantage and family', () => {
    const series = [...tasksOf([known('a', { addresses })], checks), ...tasksOf([known('b', { proxy })], checks)].map(
      (task) => task.key,
    )
    const common = { vantage: 'pod', from: 'node-1', to: 'node-of-a' }
    expect(series.slice(0, 2)).toEqual([
      { ...common, check: 'http', path: 'pod', family: 'ipv4' },
      { ...common, check: 'http', path: 'pod', family: 'ipv6' },
    ])
    expect(series[4]).toEqual({ ...common, check: 'by-name', path: 'name' })
    expect(series[5]).toEqual({ check: 'dns', path: 'dns-server', vantage: 'pod', from: 'node-1' })
    expect(series[6]).toEqual({ ...common, check: 'http', path: 'api-proxy', to: 'node-of-b' })
  })

  it('has one series for all peers of a node, with a task for each', () => {
    const peers = [
      known('a', { node: 'n', addresses: ['10.0.0.1'] }),
      known('b', { node: 'n', addresses: ['10.0.0.2'] }),
    ]
    const tasks = tasksOf(peers)
    expect(new Set(tasks.map(({ key }) => JSON.stringify(key))).size).toBe(1)
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(2)
  })

  it('keeps the id of a task unless its target changes', () => {
    const idOf = (more: Partial<KnownPeer>) => tasksOf([known('a', more)]).map(({ id }) => id)
    expect(idOf({ state: 'leaving', zone: 'z' })).toEqual(idOf({}))
    expect(idOf({ port: 9 })).not.toEqual(idOf({}))
  })

  describe('on the path node', () => {
    const ping = checkOf('ping-node', { protocol: 'icmp', path: 'node' })

    it('has a task for each address of the node that the peer reported', () => {
      const nodeAddresses = ['192.0.2.1', '2001:db8::1']
      const tasks = tasksOf([known('a', { greeting: greeting('a', { nodeAddresses }) })], [ping])
      expect(tasks.map(({ target, key }) => [target, key.path, key.family])).toEqual([
        ['192.0.2.1', 'node', 'ipv4'],
        ['[2001:db8::1]', 'node', 'ipv6'],
      ])
    })

    it('has nothing for a peer that has not reported any', () => {
      expect(tasksOf([known('a')], [ping])).toEqual([])
    })
  })
})

describe('the plan of a query without a server', () => {
  const query = checkOf('dns', { protocol: 'dns', target: 'kubernetes.default' })
  const seriesOf = (tasks: ReturnType<typeof dnsTasksOf>) =>
    tasks.map(({ target, key: { path, to } }) => [target, path, ...(to === undefined ? [] : [to])].join(' '))

  it('has a series for each of the three name servers that resolvers ask', () => {
    expect(seriesOf(dnsTasksOf([query], ['169.254.20.10', '10.96.0.10', 'fd00::a', '10.0.0.4']))).toEqual([
      'kubernetes.default@169.254.20.10 dns-server',
      'kubernetes.default@10.96.0.10 dns-server-2',
      'kubernetes.default@fd00::a dns-server-3',
    ])
  })

  it('keeps the place of a server though one before it is no address', () => {
    expect(seriesOf(dnsTasksOf([query], ['nonsense', '10.96.0.10']))).toEqual([
      'kubernetes.default@10.96.0.10 dns-server-2',
    ])
  })

  it('also asks each server of cluster DNS, by its node', () => {
    const pod = known('dns-1', { addresses: ['10.244.1.10', 'fd00:244::a'], port: 5353, node: 'node-2' })
    expect(seriesOf(dnsTasksOf([query], ['10.96.0.10'], [pod]))).toEqual([
      'kubernetes.default@10.96.0.10 dns-server',
      'kubernetes.default@10.244.1.10:5353 dns-pod node-2',
    ])
  })

  it('asks those only once and over UDP, and none where the check names its server', () => {
    const others = [
      checkOf('tcp', { protocol: 'dns', target: 'a', options: { transport: 'tcp' } }),
      checkOf('parallel', { protocol: 'dns', target: 'a', options: { parallel: true } }),
      checkOf('kept', { protocol: 'dns', target: 'a', options: { keep: true } }),
      checkOf('own', { protocol: 'dns', target: 'a@10.0.0.9' }),
    ]
    expect(seriesOf(dnsTasksOf(others, ['10.96.0.10', '10.96.0.11'], [known('dns-1')]))).toEqual([
      'a@10.96.0.10 dns-server',
      'a@10.96.0.11 dns-server-2',
      'a@10.96.0.10 dns-server',
      'a@10.96.0.11 dns-server-2',
      'a@10.96.0.10 dns-server',
      'a@10.96.0.11 dns-server-2',
      'a@10.0.0.9 dns-server',
    ])
  })
})
