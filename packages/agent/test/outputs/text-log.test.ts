import type { AnyResult } from '@scout/core'
import { expect, test } from 'vitest'
import { createTextLog } from '../../src/outputs/text-log.ts'
import { failureOf, successOf } from '../support/rows.ts'
import { checkOf, known, taskOf, tasksOf } from '../support/tasks.ts'

const peer = known('scout-66dd96cbb4-rf6z9', {
  namespace: 'default',
  node: 'kind-worker',
  addresses: ['10.244.1.30'],
})
const startedAtMs = Date.parse('2023-10-30T22:09:49.899Z')

/** The attempt of the reference output, except that its phases overlap there. */
const success = {
  protocol: 'http',
  target: 'http://scout-66dd96cbb4-rf6z9:8080/',
  startedAtMs,
  phasesNs: { resolve: 866_500, connect: 289_542, write: 43_959, server: 264_250, transfer: 21_750 },
  totalNs: 1_486_001,
  clock: { tx: 'user', rx: 'user' },
  ok: true,
  detail: {
    statusCode: 200,
    bodyBytes: 98,
    body: '{"message":"connected to scout","time":"2023-10-30 17:09:49.900801 -0500 CDT m=+0.047814418"}',
  },
} as const satisfies AnyResult

test('prints the reference output', () => {
  const { log, printed } = logOf()
  log.listening('http://localhost:8080')
  log.rosterChanged({ joined: [peer], left: [], changed: [], disturbed: [] }, [peer])
  log.attempted(of('http'), success, { change: 'steady' })
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss server is listening at http://localhost:8080
    YYYY/MM/DD hh:mm:ss scout pods:
    YYYY/MM/DD hh:mm:ss     node: kind-worker
    YYYY/MM/DD hh:mm:ss             scout-66dd96cbb4-rf6z9.default.10.244.1.30
    YYYY/MM/DD hh:mm:ss probing: localhost -> scout-66dd96cbb4-rf6z9.default.10.244.1.30 @ node: kind-worker
    YYYY/MM/DD hh:mm:ss     connection start: (time)
    YYYY/MM/DD hh:mm:ss     latency dns: 866.5µs
    YYYY/MM/DD hh:mm:ss     latency connection: 289.542µs
    YYYY/MM/DD hh:mm:ss     latency write request: 43.959µs
    YYYY/MM/DD hh:mm:ss     latency server processing: 264.25µs
    YYYY/MM/DD hh:mm:ss     latency content transfer: 21.75µs
    YYYY/MM/DD hh:mm:ss     latency total: 1.486001ms
    YYYY/MM/DD hh:mm:ss     response: {"status":"OK","statusCode":200,"body":{"message":"connected to scout","time":"2023-10-30 17:09:49.900801 -0500 CDT m=+0.047814418"}}
    "
  `)
})

test('names the providers and their drawbacks, except for the best', () => {
  const { log, printed } = logOf()
  const best = { name: 'native' } as const
  log.providers({ udp: best, icmp: best, tcp: best })
  expect(printed()).toBe('')
  const reason = 'the native part is turned off by SCOUT_NATIVE=0'
  log.providers({
    udp: { name: 'dgram', remark: `${reason}; times are late` },
    icmp: best,
    tcp: { name: 'none', remark: reason },
  })
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss udp packets by dgram: the native part is turned off by SCOUT_NATIVE=0; times are late
    YYYY/MM/DD hh:mm:ss tcp packets by none: the native part is turned off by SCOUT_NATIVE=0
    "
  `)
})

test('names a check that is not http, and a target that is not a peer', () => {
  const { log, printed } = logOf()
  log.attempted(of('tcp'), successOf(1_500_000), { change: 'steady' })
  const [dns] = tasksOf([], [checkOf('dns', { protocol: 'dns', target: 'kubernetes.default' })])
  if (dns !== undefined) log.attempted(dns, successOf(2_000_000), { change: 'steady' })
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss probing: localhost -> scout-66dd96cbb4-rf6z9.default.10.244.1.30 @ node: kind-worker by tcp
    YYYY/MM/DD hh:mm:ss     connection start: (time)
    YYYY/MM/DD hh:mm:ss     latency connection: 1.5ms
    YYYY/MM/DD hh:mm:ss     latency total: 1.5ms
    YYYY/MM/DD hh:mm:ss     response: {"sourcePort":40000,"isResetAtOnce":false}
    YYYY/MM/DD hh:mm:ss probing: localhost -> kubernetes.default by dns
    YYYY/MM/DD hh:mm:ss     connection start: (time)
    YYYY/MM/DD hh:mm:ss     latency connection: 2ms
    YYYY/MM/DD hh:mm:ss     latency total: 2ms
    YYYY/MM/DD hh:mm:ss     response: {"sourcePort":40000,"isResetAtOnce":false}
    "
  `)
})

test('groups the peers by node, with every address of both families and the state of those not ready', () => {
  const { log, printed } = logOf()
  const peers = [
    known('a', { node: 'node-1', addresses: ['10.0.0.1', 'fd00::1'] }),
    known('b', { node: 'node-2', addresses: ['10.0.0.2'], state: 'leaving' }),
    known('c', { node: 'node-1', addresses: ['10.0.0.3'], state: 'starting' }),
  ]
  log.rosterChanged({ joined: peers, left: [], changed: [], disturbed: [] }, peers)
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss scout pods:
    YYYY/MM/DD hh:mm:ss     node: node-1
    YYYY/MM/DD hh:mm:ss             a.10.0.0.1
    YYYY/MM/DD hh:mm:ss             a.fd00::1
    YYYY/MM/DD hh:mm:ss             c.10.0.0.3 (starting)
    YYYY/MM/DD hh:mm:ss     node: node-2
    YYYY/MM/DD hh:mm:ss             b.10.0.0.2 (leaving)
    "
  `)
})

test('prints the phases, reason and message of a failed attempt', () => {
  const { log, printed } = logOf()
  log.attempted(of('tcp'), failureOf('refused', 'tcp probe of 10.0.0.2:8081: nobody listens there'), {
    change: 'began-failing',
  })
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss probing: localhost -> scout-66dd96cbb4-rf6z9.default.10.244.1.30 @ node: kind-worker by tcp
    YYYY/MM/DD hh:mm:ss     connection start: (time)
    YYYY/MM/DD hh:mm:ss     latency connection: 1ms
    YYYY/MM/DD hh:mm:ss     failure: refused in connect: tcp probe of 10.0.0.2:8081: nobody listens there
    "
  `)
})

test('prints one line for each line, whatever control characters are in names and messages of others', () => {
  const { log, printed } = logOf()
  const forged = 'x\n2023/10/30 22:09:49 probing: a -> b\r\u2028\u2029\u0085\u001b[2J'
  const evil = known(forged, { node: forged, namespace: forged, addresses: ['10.0.0.6'] })
  log.rosterChanged({ joined: [evil], left: [], changed: [], disturbed: [] }, [evil])
  log.attempted(taskOf(evil, checkOf('tcp')), failureOf('bad-reply', forged), { change: 'began-failing' })
  log.oddity(forged)
  log.discoveryTroubled(forged, { source: forged, heardAtMs: 0 })
  log.configurationBroken(new Error(forged))
  const lines = printed().split('\n')
  expect(lines.filter((line) => line.startsWith('YYYY/MM/DD hh:mm:ss probing: a'))).toEqual([])
  expect(printed()).not.toMatch(/[^\P{Cc}\n]|\u2028|\u2029/u)
  expect(lines).toHaveLength(10 + 1)
})

test('reports trouble with the peers, which may be other than a silent source, and its end', () => {
  const { log, printed } = logOf()
  log.discoveryTroubled('10.0.0.1 and 10.0.0.2 all claim to be a', { source: 'the name scout', heardAtMs: 0 })
  log.discoveryTroubled(undefined, { source: 'the name scout', heardAtMs: 0 })
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss the list of peers may be wrong: 10.0.0.1 and 10.0.0.2 all claim to be a
    YYYY/MM/DD hh:mm:ss the list of peers is right again, from the name scout
    "
  `)
})

test('prints the peers once when all start together, and again when one of them leaves', () => {
  const { log, printed } = logOf()
  const [a, b] = [known('a', { addresses: ['10.0.0.1'] }), known('b', { addresses: ['10.0.0.2'] })]
  const awaited = [a, b].map((one) => ({ ...one, state: 'starting', isAwaited: true }) as const)
  const [first, second] = awaited
  log.rosterChanged({ joined: awaited, left: [], changed: [], disturbed: [] }, awaited)
  if (first === undefined || second === undefined) throw new Error('there are two')
  log.rosterChanged({ joined: [], left: [], changed: [{ before: first, after: a }], disturbed: [a.id] }, [a, second])
  log.rosterChanged({ joined: [], left: [], changed: [{ before: second, after: b }], disturbed: [b.id] }, [a, b])
  const leaving = { ...b, state: 'leaving' } as const
  log.rosterChanged({ joined: [], left: [], changed: [{ before: b, after: leaving }], disturbed: [b.id] }, [a, leaving])
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss scout pods:
    YYYY/MM/DD hh:mm:ss     node: node-of-a
    YYYY/MM/DD hh:mm:ss             a.10.0.0.1
    YYYY/MM/DD hh:mm:ss     node: node-of-b
    YYYY/MM/DD hh:mm:ss             b.10.0.0.2
    YYYY/MM/DD hh:mm:ss scout pods:
    YYYY/MM/DD hh:mm:ss     node: node-of-a
    YYYY/MM/DD hh:mm:ss             a.10.0.0.1
    YYYY/MM/DD hh:mm:ss     node: node-of-b
    YYYY/MM/DD hh:mm:ss             b.10.0.0.2 (leaving)
    "
  `)
})

test('tells how long an outage was', () => {
  const { log, printed } = logOf()
  log.attempted(of('tcp'), successOf(1_000_000), { change: 'recovered', outageMs: 130_000 })
  expect(printed()).toContain('    recovered after 2m10s\n')
})

test('marks a result that is set aside', () => {
  const { log, printed } = logOf()
  log.attempted(of('tcp'), successOf(1_000_000), { change: 'set-aside' })
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss probing: localhost -> scout-66dd96cbb4-rf6z9.default.10.244.1.30 @ node: kind-worker by tcp
    YYYY/MM/DD hh:mm:ss     connection start: (time)
    YYYY/MM/DD hh:mm:ss     latency connection: 1ms
    YYYY/MM/DD hh:mm:ss     latency total: 1ms
    YYYY/MM/DD hh:mm:ss     response: {"sourcePort":40000,"isResetAtOnce":false}
    YYYY/MM/DD hh:mm:ss     set aside: the peer was not ready
    "
  `)
})

test.each(['not-permitted', 'not-supported'] as const)('prints once per check that it is %s', (reason) => {
  const { log, printed } = logOf()
  const remedy = failureOf(reason, 'cannot open a raw socket: add CAP_NET_RAW')
  for (const check of ['icmp', 'icmp', 'icmp-large', 'icmp']) log.attempted(of(check), remedy, { change: 'steady' })
  expect(printed().match(/probing: .*/g)).toEqual([
    'probing: localhost -> scout-66dd96cbb4-rf6z9.default.10.244.1.30 @ node: kind-worker by icmp',
    'probing: localhost -> scout-66dd96cbb4-rf6z9.default.10.244.1.30 @ node: kind-worker by icmp-large',
  ])
  expect(printed()).toContain(`failure: ${reason} in connect: cannot open a raw socket: add CAP_NET_RAW`)
})

test('shows the size of a truncated or non-JSON body', () => {
  const { log, printed } = logOf()
  log.attempted(
    of('http'),
    { ...success, detail: { statusCode: 200, bodyBytes: 65_536, body: '{"mess' } },
    { change: 'steady' },
  )
  expect(printed()).toContain('response: {"status":"OK","statusCode":200,"body":"65536 bytes"}')
})

test('reports the end, a broken configuration and defects in Scout', () => {
  const { log, printed } = logOf()
  log.configurationBroken(new Error('cannot read the peers in peers.yaml: it is empty'))
  log.defect('something impossible')
  log.stopping('SIGTERM')
  log.stopped()
  expect(printed()).toMatchInlineSnapshot(`
    "YYYY/MM/DD hh:mm:ss configuration broken, the old one stays in force: cannot read the peers in peers.yaml: it is empty
    YYYY/MM/DD hh:mm:ss defect in scout, please report it: something impossible
    YYYY/MM/DD hh:mm:ss stopping on SIGTERM
    YYYY/MM/DD hh:mm:ss stopped
    "
  `)
})

/** Returns a log and its output with masked times. */
function logOf() {
  let text = ''
  const log = createTextLog(
    (more) => {
      text += more
    },
    { name: 'localhost' },
  )
  return {
    log,
    printed: () =>
      text
        .replaceAll(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d/gm, 'YYYY/MM/DD hh:mm:ss')
        .replaceAll(/start: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4} \S+ m=[+-]\d+\.\d{9}$/gm, 'start: (time)'),
  }
}

function of(check: string) {
  return taskOf(peer, checkOf(check))
}
