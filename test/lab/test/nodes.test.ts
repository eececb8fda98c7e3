import { expect, test, vi } from 'vitest'
import { describeWith } from '../../support/requirements.ts'
import { http, ping, pingTimesMs, udp } from './support/clients.ts'
import { heldConnection } from './support/held-connection.ts'
import { during, useLab } from './support/lab.ts'
import { labNeeds } from './support/namespaces.ts'

const pod2 = '10.244.2.10'
const web = `${pod2}:8081`

describeWith(...labNeeds)('faults of nodes and hops', () => {
  const lab = useLab({ dnsReplicas: 0 }, ['pod1', 'pod2', 'pod3', 'node1', 'node2'])

  test('a smaller path says so, and the second packet fits', async () => {
    const full = ping('pod1', pod2, '-M', 'do', '-s', '1472')
    await during(lab(), ['path-mtu'], async () => {
      expect(await full(lab())).toBe('frag needed and df set (mtu = 1300)')
      expect(await http('pod1', `${web}/bytes/100000`)(lab())).toBe('ok')
      // The first one only teaches the sender what fits.
      await udp('pod1', pod2, 1400)(lab())
      expect(await udp('pod1', pod2, 1400)(lab())).toBe('ok')
    })
    expect(await full(lab())).toBe('ok')
  })

  test('an idle connection is forgotten while new ones work', async () => {
    const seen = await during(lab(), ['idle-flow-forgotten', { milliseconds: 1000 }], async () => {
      const connection = await heldConnection(lab(), 'pod1', [pod2, 8081])
      const answers = [await connection.ask(0), await connection.ask(1.5)]
      await connection.close()
      return [...answers, await http('pod1', web)(lab())]
    })
    expect(seen).toEqual(['answered', 'silent', 'ok'])
    const connection = await heldConnection(lab(), 'pod1', [pod2, 8081])
    expect([await connection.ask(0), await connection.ask(1.5)]).toEqual(['answered', 'answered'])
    await connection.close()
  })

  test('a full connection table refuses new flows and keeps open ones', async () => {
    const old = await heldConnection(lab(), 'pod1', [pod2, 8081])
    const injection = await lab().inject('conntrack-full', { size: 8 })
    const connections = Array.from({ length: 12 }, () => heldConnection(lab(), 'pod1', [pod2, 8081]))
    let opened = 0
    for (const connection of connections) void connection.then(() => opened++)
    await vi.waitFor(async () => expect([opened, (await injection.hits()) >= 4]).toEqual([8, true]), {
      timeout: 10_000,
    })
    expect([await old.ask(0), opened]).toEqual(['answered', 8])
    await injection.heal()
    // What was refused is tried again, and there is room now.
    const all = await Promise.all(connections)
    for (const connection of [old, ...all]) await connection.close()
  })

  test('a pod without source ports fails after the last one', async () => {
    const open = 'for i in 1 2 3 4 5 6; do exec {fd}<>/dev/tcp/10.244.2.10/8081 && echo opened; done 2>&1'
    const look = async () => {
      const { stdout } = await lab().run('pod1', ['bash', '-c', open])
      return {
        opened: stdout.split('opened').length - 1,
        isAddressLacking: /Cannot assign requested address/.test(stdout),
      }
    }
    expect(await during(lab(), ['ports-exhausted'], look)).toEqual({ opened: 4, isAddressLacking: true })
    expect(await look()).toEqual({ opened: 6, isAddressLacking: false })
    const none = await lab().inject('ports-exhausted', { ports: 0 })
    expect(await look()).toEqual({ opened: 0, isAddressLacking: true })
    await none.heal()
    expect(await look()).toEqual({ opened: 6, isAddressLacking: false })
  })

  test('duplicates are reported by ping', async () => {
    const look = async () => {
      const { stdout } = await lab().run('pod1', ['ping', '-nc', '20', '-i', '0.02', '-W', '1', pod2])
      return stdout.split('(DUP!)').length - 1
    }
    expect(await during(lab(), ['duplicates'], look)).toBeGreaterThan(0)
    expect(await look()).toBe(0)
  })

  test('a hidden hop does not answer when a TTL ends on it', async () => {
    const look = () => Promise.all(['1', '2', '3'].map((ttl) => ping('pod1', pod2, '-t', ttl)(lab())))
    const exceeded = 'time to live exceeded'
    expect(await during(lab(), ['hop-hidden'], look)).toEqual([exceeded, 'silent', 'ok'])
    expect(await look()).toEqual([exceeded, exceeded, 'ok'])
  })

  test('a re-marked packet arrives with another DSCP', async () => {
    const note = 'icmp type echo-request add @seen { ip dscp }'
    const table = `table ip watch { set seen { type dscp; flags dynamic; }; chain arriving { type filter hook input priority 0; ${note}; }; }`
    const look = async () => {
      await lab().run('pod2', ['nft', table])
      await ping('pod1', pod2, '-Q', '0xb8')(lab())
      const { stdout } = await lab().run('pod2', ['nft', 'list set ip watch seen'])
      await lab().run('pod2', ['nft', 'delete table ip watch'])
      return /elements = \{ (\w+) \}/.exec(stdout)?.[1]
    }
    expect(await during(lab(), ['dscp-remarked', { dscp: 8 }], look)).toBe('cs1')
    expect(await look()).toBe('ef')
  })

  test('a flapping link loses packets in runs', async () => {
    const returned = await during(lab(), ['link-flapping'], () => pingTimesMs(lab(), 'pod1', [pod2, 100]))
    expect(returned.length).toBeGreaterThan(20)
    expect(returned.length).toBeLessThan(95)
    expect(await pingTimesMs(lab(), 'pod1', [pod2, 20])).toHaveLength(20)
  })

  test.each(['in', 'out'] as const)('with its side %s dead, a node receives nothing or sends nothing', async (side) => {
    const look = async () => {
      const counted = await Promise.all(['pod2', 'pod1'].map((place) => echoRequests(place)))
      const outcomes = [await ping('pod1', pod2)(lab()), await ping('pod2', '10.244.1.10')(lab())]
      const after = await Promise.all(['pod2', 'pod1'].map((place) => echoRequests(place)))
      return { outcomes, arrived: after.map((number, index) => number - (counted[index] ?? 0)) }
    }
    const echoRequests = async (place: string) => {
      const { stdout } = await lab().run(place, ['nstat', '-asz', 'IcmpInEchos'])
      return Number(/IcmpInEchos\s+(\d+)/.exec(stdout)?.[1])
    }
    // From here on both nodes know each other's hardware address.
    expect(await look()).toEqual({ outcomes: ['ok', 'ok'], arrived: [1, 1] })
    expect(await during(lab(), ['node-side-dead', { side }], look)).toEqual({
      outcomes: ['silent', 'silent'],
      arrived: side === 'in' ? [0, 1] : [1, 0],
    })
    expect(await look()).toEqual({ outcomes: ['ok', 'ok'], arrived: [1, 1] })
  })

  test('a duplicate address leads to the wrong node', async () => {
    const look = async () =>
      (await lab().run('node3', ['curl', '-s', '-m', '0.8', 'http://10.200.0.11:8081/'])).stdout.trim()
    expect(await during(lab(), ['duplicate-address'], look)).toBe('{"name":"node2"}')
    expect(await look()).toBe('{"name":"node1"}')
  })

  test.each([
    ['node-down', { neighbours: 'forgotten' }, web],
    ['icmpv6-filtered', {}, '[fd00:244:2::10]:8081'],
  ] as const)(
    '%s: a neighbour nobody finds is no route to host after three seconds',

    async (fault, parameters, address) => {
      const startMs = performance.now()
      const outcome = await during(lab(), [fault, parameters], () => http('pod1', address, '-m', '6')(lab()))
      expect(outcome).toBe('no route to host')
      expect(performance.now() - startMs).toBeGreaterThan(2900)
      expect(await http('pod1', address)(lab())).toBe('ok')
    },
  )

  test('only a starved pod measures long round trips', async () => {
    // With -U ping takes its own time at both ends, as a program without kernel timestamps must. The delay keeps packets
    // on their way, so that some answers come while the pod stands still.
    const look = (place: string) => lab().run(place, ['ping', '-Unc', '40', '-i', '0.02', '10.244.3.10'])
    const worstMs = ({ stdout }: { readonly stdout: string }) => Number(/= [\d.]+\/[\d.]+\/([\d.]+)/.exec(stdout)?.[1])
    await lab().inject('delay', { from: '1,2', to: 3, milliseconds: 30 })
    const [own, other] = await during(lab(), ['cpu-starved'], () => Promise.all([look('pod1'), look('pod2')]))
    expect(worstMs(own)).toBeGreaterThan(100)
    expect(worstMs(other)).toBeLessThan(100)
    expect(worstMs(await look('pod1'))).toBeLessThan(100)
  })
})

describeWith(...labNeeds)('faults between zones', () => {
  const lab = useLab({ nodes: 3, zones: 2, dnsReplicas: 0 }, [])

  test('a router answers between zones, and can be hidden', async () => {
    const look = () => Promise.all(['1', '2', '3', '4'].map((ttl) => ping('pod1', '10.244.3.10', '-t', ttl)(lab())))
    const exceeded = 'time to live exceeded'
    expect(await look()).toEqual([exceeded, exceeded, exceeded, 'ok'])
    expect(await during(lab(), ['hop-hidden', { hop: 'router' }], look)).toEqual([exceeded, 'silent', exceeded, 'ok'])
  })

  test('a duplicate address leads those of another zone to the wrong node, too', async () => {
    const look = () => ping('node3', '10.200.0.11')(lab())
    // From here on the router has an entry for the owner.
    expect(await look()).toBe('ok')
    expect(await during(lab(), ['duplicate-address'], look)).toBe('ok')
    expect(await look()).toBe('ok')
  })

  test('a group that is no zone is cut off from those of its zone, and reaches its own across the router', async () => {
    const look = () =>
      Promise.all([
        ping('pod1', '10.244.2.10')(lab()),
        ping('pod1', 'fd00:244:3::10')(lab()),
        ping('node3', '10.200.0.12')(lab()),
      ])
    expect(await during(lab(), ['group-partition', { nodes: '1,3' }], look)).toEqual(['silent', 'ok', 'silent'])
    expect(await look()).toEqual(['ok', 'ok', 'ok'])
  })

  test('a partition silences what is between the zones and nothing within', async () => {
    const look = () =>
      Promise.all([
        ping('pod1', '10.244.2.10')(lab()),
        ping('pod1', '10.244.3.10')(lab()),
        ping('node3', '10.200.0.12')(lab()),
        ping('pod3', 'fd00:244:1::10')(lab()),
      ])
    expect(await during(lab(), ['zone-partition'], look)).toEqual(['ok', 'silent', 'silent', 'silent'])
    expect(await look()).toEqual(['ok', 'ok', 'ok', 'ok'])
  })
})
