import { describe, expect, it } from 'vitest'
import { peersOf, slice } from '../../src/kubernetes/slices.ts'
import { conditions, endpoint, endpointSlice } from '../support/slices.ts'

const options = { portName: 'responder', otherwisePort: 9999 }

function found(...slices: readonly object[]) {
  return peersOf(
    slices.map((object) => slice.parse(object)),
    options,
  )
}

describe('peers of endpoint slices', () => {
  it('read name, namespace, node, zone, addresses and port of a pod', () => {
    expect(found(endpointSlice('a', [endpoint('scout-1', ['10.244.1.5'])]))).toEqual({
      peers: [
        {
          id: 'uid-of-scout-1',
          name: 'scout-1',
          namespace: 'scout',
          node: 'node-of-scout-1',
          zone: 'zone-1',
          addresses: ['10.244.1.5'],
          port: 8081,
          state: 'ready',
        },
      ],
      oddities: [],
    })
  })

  it('merge the slices of both families, IPv4 first whatever the slices are called', () => {
    const v4 = [endpoint('scout-1', ['10.244.1.5'])]
    const v6 = [endpoint('scout-1', ['fd00:10:244:1::5'])]
    const one = found(endpointSlice('a', v4), endpointSlice('b', v6)).peers
    expect(one.map(({ addresses }) => addresses)).toEqual([['10.244.1.5', 'fd00:10:244:1::5']])
    expect(found(endpointSlice('a', v6), endpointSlice('b', v4)).peers).toEqual(one)
  })

  it.each([
    { conditions: { ready: true, serving: true, terminating: false }, state: 'ready' },
    { conditions: { ready: true, serving: false, terminating: false }, state: 'starting' },
    { conditions: { ready: false, serving: true, terminating: true }, state: 'leaving' },
    { conditions: { ready: false, serving: false, terminating: true }, state: 'leaving' },
    { conditions: { ready: false }, state: 'starting' },
    { conditions: { ready: false, serving: null, terminating: null }, state: 'starting' },
    { conditions: {}, state: 'ready' },
    { conditions: undefined, state: 'ready' },
    { conditions: null, state: 'ready' },
  ])('are $state with $conditions', ({ conditions, state }) => {
    expect(found(endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'], { conditions })])).peers[0]?.state).toBe(state)
  })

  it.each([
    { first: 'ready', second: 'starting', state: 'starting' },
    { first: 'ready', second: 'leaving', state: 'leaving' },
    { first: 'leaving', second: 'starting', state: 'leaving' },
  ] as const)('are $state while one slice has $first and the other $second', ({ first, second, state }) => {
    const slices = (one: typeof first | typeof second, other: typeof first | typeof second) =>
      found(
        endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'], { conditions: conditions(one) })]),
        endpointSlice('b', [endpoint('scout-1', ['fd00::1'], { conditions: conditions(other) })]),
      ).peers[0]?.state
    expect([slices(first, second), slices(second, first)]).toEqual([state, state])
  })

  it('include a pod once while it moves from one slice to another', () => {
    const twice = [endpoint('scout-1', ['10.0.0.1'])]
    expect(found(endpointSlice('a', twice), endpointSlice('b', twice)).peers).toHaveLength(1)
  })

  it('distinguish pods of one name by their UID', () => {
    const successor = { targetRef: { kind: 'Pod', name: 'scout-1', namespace: 'scout', uid: 'another' } }
    const { peers } = found(
      endpointSlice('a', [endpoint('scout-1', ['10.0.0.1']), endpoint('scout-1', ['10.0.0.2'], successor)]),
    )
    expect(peers.map(({ id }) => id)).toEqual(['uid-of-scout-1', 'another'])
  })

  it('can share a node', () => {
    const { peers } = found(
      endpointSlice('a', [
        endpoint('scout-1', ['10.0.0.1'], { nodeName: 'node-1' }),
        endpoint('scout-2', ['10.0.0.2'], { nodeName: 'node-1' }),
      ]),
    )
    expect(peers.map(({ node }) => node)).toEqual(['node-1', 'node-1'])
  })

  it('omit an invalid address, which is reported', () => {
    expect(found(endpointSlice('a', [endpoint('scout-1', ['10.0.0.300', '10.0.0.3'])]))).toMatchObject({
      peers: [{ addresses: ['10.0.0.3'], state: 'ready' }],
      oddities: ['endpoint slice a has the invalid address "10.0.0.300" for scout-1: ignored'],
    })
  })

  it.each([
    { what: 'of no host', addresses: ['0.0.0.0', '::', '224.0.0.1', 'fe80::1', '10.0.0.3'] },
    { what: 'with a zone', addresses: ['::1%lo', 'fd00::1%eth0', '10.0.0.3'] },
    { what: 'that is no text', addresses: ['10.0.0.3'], other: { addresses: [4] } },
    { what: 'that is not there', addresses: ['10.0.0.3'], other: {} },
  ])('survive an address $what', ({ addresses, other = endpoint('scout-2', ['10.0.0.2']) }) => {
    const { peers, oddities } = found(endpointSlice('a', [endpoint('scout-1', addresses), other]))
    expect(peers[0]).toMatchObject({ name: 'scout-1', addresses: ['10.0.0.3'], state: 'ready' })
    expect(oddities.length).toBeGreaterThan(0)
  })

  it.each(['node\u202e1', 'node\u200b1', 'node\n1'])(
    'omit an endpoint of the node %j, whose characters show nothing',
    (node) => {
      const all = found(
        endpointSlice('a', [
          { ...endpoint('scout-1', ['10.0.0.2']), nodeName: node },
          endpoint('scout-2', ['10.0.0.3']),
        ]),
      )
      expect(all).toMatchObject({
        peers: [{ name: 'scout-2' }],
        oddities: [
          expect.stringMatching(
            /^endpoint slice a has an invalid endpoint \(nodeName: has control or format characters/,
          ),
        ],
      })
    },
  )

  it('have each address once, whatever its spelling', () => {
    const { peers } = found(endpointSlice('a', [endpoint('scout-1', ['FD00:0::1', 'fd00::1', '::ffff:10.0.0.1'])]))
    expect(peers).toMatchObject([{ addresses: ['10.0.0.1', 'fd00::1'] }])
  })

  it.each([-1, 0, 70_000, 80.5, '8081'])('survive the port %j', (port) => {
    const ports = [{ name: 'responder', port, protocol: 'TCP' }]
    expect(found({ ...endpointSlice('a', [endpoint('scout-1', ['10.0.0.1'])]), ports })).toEqual({
      peers: [expect.objectContaining({ name: 'scout-1', port: 9999 })],
      oddities: [expect.stringMatching(/^endpoint slice a has an invalid port \(port: .+\): ignored$/)],
    })
  })

  it('are never ready without an address', () => {
    const { peers } = found(endpointSlice('a', [endpoint('scout-1', ['scout.example.org'])]))
    expect(peers).toMatchObject([{ name: 'scout-1', addresses: [], state: 'starting' }])
  })

  it.each([
    { what: 'no endpoints', object: endpointSlice('a', []) },
    { what: 'null for endpoints, as Go writes an empty list', object: endpointSlice('a', null) },
    { what: 'neither endpoints nor ports', object: { metadata: { name: 'a', namespace: 'scout' } } },
  ])('are empty for a slice with $what', ({ object }) => {
    expect(found(object)).toEqual({ peers: [], oddities: [] })
  })

  it('fall back to the address without a pod or node, and to the default port without a named one', () => {
    const bare = { metadata: { name: 'a', namespace: 'scout' }, endpoints: [{ addresses: ['10.0.0.1'] }], ports: null }
    expect(found(bare).peers).toMatchObject([
      { id: '10.0.0.1', name: '10.0.0.1', node: '10.0.0.1', zone: undefined, port: 9999, state: 'ready' },
    ])
  })
})
