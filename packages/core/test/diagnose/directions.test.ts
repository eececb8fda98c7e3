import { describe, expect, test } from 'vitest'
import { shareOf } from '../../src/diagnose/detect/proportion.ts'
import { changedFact, type Fact } from '../../src/diagnose/evidence.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { cellsOf } from '../../src/diagnose/explain/vectors.ts'
import { scopeText } from '../../src/diagnose/scope.ts'
import { type Fault, type WorldOptions, worldOf } from './world.ts'

/** Returns the percentage of packets that are lost from one node to another. */
type Percentage = (from: string, to: string) => number

const sent = 100

/** Returns where each finding of a mesh is in which these packets are lost, its direction, and what it says. */
function findingsOf(lost: Percentage, { isAffected = () => true, isCounted = () => true, ...world }: Options = {}) {
  const evidence = worldOf(
    [
      (fact) => {
        const { from, to } = fact
        if (to.kind !== 'node' || from === to.name || !isAffected(fact)) return undefined
        const [forth, back] = [lost(from, to.name), lost(to.name, from)]
        if (forth + back === 0) return undefined
        const byDirection = { forth: shareOf(forth, sent), back: shareOf(back, sent - forth) }
        const loss = { low: 0.05, high: 0.15, ...(fact.protocol === 'udp' && isCounted(fact) ? byDirection : {}) }
        return { symptom: 'lossy', loss, trials: sent }
      },
    ],
    world,
  )
  return explain(evidence).map(({ cause, scope, direction, summary }) => ({
    found: `${cause} ${direction}: ${scopeText(scope, direction)}`,
    summary,
  }))
}

interface Options extends WorldOptions {
  readonly isAffected?: (fact: Fact) => boolean
  /** Of the checks that use UDP, which know how many were lost on each way. */
  readonly isCounted?: (fact: Fact) => boolean
}

function onWay(one: string, other: string, percentage = 10): Percentage {
  return (from, to) => (from === one && to === other ? percentage : 0)
}

const cases: readonly {
  readonly name: string
  readonly lost: Percentage
  readonly options?: Options
  readonly finds: object[]
}[] = [
  {
    name: 'from one node to another',
    lost: onWay('node2', 'node3'),
    finds: [
      {
        found: 'packet-loss forward: node2 -> node3',
        summary: '10 % (8.1 % to 12 %) of packets from node2 to node3 are lost, none on the way back',
      },
    ],
  },
  {
    name: 'the other way, though its attempts fail alike',
    lost: onWay('node3', 'node2'),
    finds: [
      {
        found: 'packet-loss forward: node3 -> node2',
        summary: '10 % (8.1 % to 12 %) of packets from node3 to node2 are lost, none on the way back',
      },
    ],
  },
  {
    name: 'both ways, more on one of them',
    lost: (from, to) => onWay('node2', 'node3')(from, to) + onWay('node3', 'node2', 3)(from, to),
    finds: [
      {
        found: 'packet-loss both: node2 <-> node3',
        summary: '10 % (8.2 % to 12 %) of packets from node2 to node3 are lost, 3.2 % (2.1 % to 4.7 %) on the way back',
      },
    ],
  },
  {
    name: 'of answers alone, where requests the same way arrive',
    lost: onWay('node3', 'node2'),
    options: { isAffected: ({ from }) => from === 'node2' },
    finds: [
      {
        found: 'packet-loss return: node2 -> node3',
        summary: '10 % (7.4 % to 13 %) of packets from node3 to node2 are lost, none on the way there',
      },
    ],
  },
  {
    name: 'out of a node',
    lost: (from) => (from === 'node2' ? 10 : 0),
    options: { nodes: 5 },
    finds: [
      {
        found: 'packet-loss forward: node2 -> all nodes',
        summary: '10 % (9 % to 11 %) of packets from node2 to all nodes are lost, none on the way back',
      },
    ],
  },
  {
    name: 'into a node',
    lost: (_, to) => (to === 'node2' ? 10 : 0),
    options: { nodes: 5 },
    finds: [
      {
        found: 'packet-loss forward: all nodes -> node2',
        summary: '10 % (9 % to 11 %) of packets from all nodes to node2 are lost, none on the way back',
      },
    ],
  },
  {
    name: 'into a node, where only attempts of its own have shown it yet',
    lost: (_, to) => (to === 'node2' ? 10 : 0),
    options: { nodes: 5, isAffected: ({ from }) => from === 'node2' },
    finds: [{ found: 'packet-loss forward: all nodes -> node2' }],
  },
  {
    name: 'in and out of a node',
    lost: (from, to) => (from === 'node2' || to === 'node2' ? 10 : 0),
    options: { nodes: 5 },
    finds: [{ found: 'packet-loss both: node2' }],
  },
  {
    name: 'from one zone to another',
    lost: (from, to) => (Number(from.at(-1)) % 2 === 0 && Number(to.at(-1)) % 2 === 1 ? 10 : 0),
    options: { nodes: 8 },
    finds: [
      {
        found: 'packet-loss forward: zone-2 -> zone-1',
        summary: '10 % (9.5 % to 11 %) of packets from zone-2 to zone-1 are lost, none on the way back',
      },
    ],
  },
]

describe('packets lost', () => {
  test.each(cases)('$name are said to be lost there', ({ lost, options, finds }) => {
    expect(findingsOf(lost, options)).toMatchObject(finds)
  })

  test('have no direction while they are so few that it may be chance', () => {
    const isCounted = ({ check, family }: Fact) => check === 'udp' && family === 'ipv4'
    const found = (lost: number) => findingsOf(onWay('node2', 'node3', lost), { isCounted }).map((one) => one.found)
    expect(found(3)).toEqual(['packet-loss both: node2 <-> node3'])
    expect(found(4)).toEqual(['packet-loss forward: node2 -> node3'])
  })

  test('show by direction in the evidence of a link', () => {
    const loss = { low: 0.05, high: 0.15, forth: shareOf(10, sent), back: shareOf(1, sent - 10) }
    const world = worldOf([
      ({ from, to, family }) =>
        from === 'node2' && to.name === 'node3' && family === 'ipv6'
          ? { symptom: 'lossy', loss, trials: sent }
          : undefined,
    ])
    expect(explain(world)[0]?.evidence[0]).toMatch(
      /lose packets over IPv6 on node2 -> node3 \(900 attempts, 5 % to 15 % lost: 90 packets on the way there, 9 on the way back\)$/,
    )
  })
})

test('packets that arrive twice on one way are said to do so there', () => {
  const evidence = worldOf([
    (fact) => {
      const { from, to, protocol, bytes = 0 } = fact
      const isForth = from === 'node2' && to.name === 'node3'
      const isBack = from === 'node3' && to.name === 'node2'
      if (protocol !== 'udp' || bytes > 1_500 || !(isForth || isBack)) return undefined
      const byDirection = { forth: shareOf(isForth ? 20 : 0, sent), back: shareOf(isForth ? 0 : 20, sent) }
      return { symptom: 'duplicated', odd: { low: 0.13, high: 0.29, ...byDirection }, trials: sent }
    },
  ])
  expect(
    explain(evidence).map(({ cause, scope, direction, summary }) => [cause, scopeText(scope, direction), summary]),
  ).toMatchInlineSnapshot(`
    [
      [
        "duplication",
        "node2 -> node3",
        "packets arrive twice, 13 % to 29 % of them: node2 -> node3",
      ],
    ]
  `)
})

describe('packets whose DSCP changes', () => {
  const checks = [{ name: 'dscp', protocol: 'udp', options: { dscp: 46 } }] as const

  const between =
    (found: Fault): Fault =>
    (fact) =>
      [fact.from, fact.to.name].toSorted().join() === 'node1,node2' ? found(fact) : undefined

  /** Changes it from one node to another, in two attempts that asked. */
  function changing(isWay: (from: string, to: string) => boolean): Fault {
    return ({ check, from, to }) => {
      if (check !== 'dscp') return undefined
      const byDirection = {
        forth: shareOf(isWay(from, to.name) ? 2 : 0, 2),
        back: shareOf(isWay(to.name, from) ? 2 : 0, 2),
      }
      if (byDirection.forth.lost + byDirection.back.lost === 0) return undefined
      return { symptom: 'remarked', odd: { low: 0.3, high: 1, ...byDirection }, dscp: { sent: 46, seen: 0 }, trials: 2 }
    }
  }

  function findingsOf(faults: readonly Fault[], options: WorldOptions = {}) {
    return explain(worldOf(faults, { checks, ...options })).map(
      ({ severity, summary, next }) => `${severity}: ${summary} (${next})`,
    )
  }

  test('are said to do so on that way, by a few attempts, and with the DSCP to try again with', () => {
    expect(
      findingsOf([changing((from, to) => from === 'node2' && to === 'node3')], { families: ['ipv4'] }),
    ).toMatchInlineSnapshot(`
      [
        "informational: the DSCP of packets changes from 46 to 0 on the way: node2 -> node3 (scout-probe --from node2 udp node3:8081 --dscp 46)",
      ]
    `)
    expect(findingsOf([changing((from) => from === 'node2')], { nodes: 5 })).toMatchInlineSnapshot(`
      [
        "informational: the DSCP of packets changes from 46 to 0 on the way: node2 -> all nodes (scout-probe --from node1 udp node2:8081 --dscp 46)",
      ]
    `)
  })

  test('are named by the first check that shows it, while the others have had no time to', () => {
    const changes = changing((from, to) => from === 'node2' && to === 'node3')
    const first: Fault = (fact) => {
      const isFirst = fact.from === 'node2' && fact.family === 'ipv4'
      if (fact.check !== 'dscp') return undefined
      return isFirst ? changes(fact) : { symptom: 'passes', sinceMs: 0, trials: 1_000 }
    }
    const found = explain(worldOf([first], { checks }))
    expect(found.map(({ cause, scope }) => `${cause} ${scopeText(scope)}`)).toEqual(['dscp-rewritten node2 -> node3'])
  })

  test('are one finding about the cluster where no network keeps it', () => {
    expect(findingsOf([changing(() => true)], { nodes: 5 })).toMatchInlineSnapshot(`
      [
        "informational: the DSCP of packets changes from 46 to 0 on the way: the whole cluster (scout-probe --from node1 udp node2:8081 --dscp 46)",
      ]
    `)
  })

  test('hide nothing that harms', () => {
    const everywhere = changing(() => true)
    const loss = { low: 0.05, high: 0.15 }
    const faults: readonly (readonly [string, Fault])[] = [
      ['packet-loss', between(() => ({ symptom: 'lossy', loss, trials: sent }))],
      [
        'packet-loss',
        between(({ check }) => (check === 'dscp' ? undefined : { symptom: 'lossy', loss, trials: sent })),
      ],
      ['protocol-filtered', between(({ protocol }) => (protocol === 'udp' ? 'silent' : undefined))],
      ['icmp-filtered', between(({ protocol }) => (protocol === 'icmp' ? 'silent' : undefined))],
      ['mtu-black-hole', between(({ bytes = 0 }) => (bytes > 1_000 ? 'silent' : undefined))],
    ]
    for (const [cause, fault] of faults) {
      const found = explain(worldOf([fault, everywhere], { checks, nodes: 4 }))
      expect(found.map((one) => `${one.cause} ${one.scope.kind}`).toSorted()).toEqual(
        ['dscp-rewritten cluster', `${cause} link`].toSorted(),
      )
    }
  })

  test('take no evidence from an older trouble when they begin', () => {
    const { atMs, facts } = worldOf([], { checks })
    const shown = new Map<string, Partial<Fact>>([
      ['udp', { symptom: 'silent', sinceMs: atMs - 600_000 }],
      ['dscp', { symptom: 'remarked', sinceMs: atMs - 1_000 }],
    ])
    const ofLink = facts.filter(({ from, to }) => from === 'node1' && to.name === 'node2')
    const cells = cellsOf(ofLink.map((fact) => changedFact(fact, shown.get(fact.check) ?? {})))
    expect(cells).toHaveLength(ofLink.length)
    expect(cells.some(({ isWeak }) => isWeak)).toBe(false)
  })
})

describe('packets of volleys that overtake each other', () => {
  const checks = [{ name: 'udp-volley', protocol: 'udp', options: { volley: 5 } }] as const

  /** Of nine volleys from one node to another, packets of seven overtake each other on their way there, or those of the answers do. */
  function overtaking(isSeen: (fact: Fact) => boolean): Fault {
    return (fact) => {
      const isForth = fact.from === 'node2' && fact.to.name === 'node3'
      const isBack = fact.from === 'node3' && fact.to.name === 'node2'
      if (fact.check !== 'udp-volley' || !(isForth || isBack) || !isSeen(fact)) return undefined
      const byDirection = { forth: shareOf(isForth ? 7 : 0, 9), back: shareOf(isForth ? 0 : 7, 9) }
      return { symptom: 'reordered', odd: { low: 0.45, high: 0.94, ...byDirection }, trials: 9 }
    }
  }

  function findingsOf(isSeen: (fact: Fact) => boolean) {
    return explain(worldOf([overtaking(isSeen)], { checks }))
  }

  test('are said to do so on that way', () => {
    const [finding, ...others] = findingsOf(() => true)
    expect(others).toEqual([])
    expect(finding?.summary).toMatchInlineSnapshot(
      `"packets that leave together overtake each other, in 45 % to 94 % of volleys: node2 -> node3"`,
    )
    expect(finding?.evidence[0]).toMatchInlineSnapshot(
      `"udp-volley is reordered on 2 links (36 attempts, 45 % to 94 % out of order)"`,
    )
    expect(finding?.next).toMatchInlineSnapshot(
      `"scout-probe --from node2 udp node3:8081 --volley 5 --count 50 --interval 100ms"`,
    )
    expect(findingsOf(({ family }) => family === 'ipv6')[0]?.summary).toMatchInlineSnapshot(
      `"packets that leave together overtake each other over IPv6, in 45 % to 94 % of volleys: node2 -> node3"`,
    )
  })

  test('are no finding if one series of a link has them', () => {
    expect(findingsOf(({ from, family }) => from === 'node2' && family === 'ipv6')).toEqual([])
  })
})
