import { startDnsResponder, startHttpResponder, startUdpResponder } from '@scout/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nativePart, testWith } from '../../../test/support/requirements.ts'
import { desertedTcpPort, desertedUdpPort, listenTcp, listenUdp } from '../../../test/support/servers.ts'
import { stampAnswerTo } from '../../../test/support/stamp.ts'
import { masked, runCli } from './support/run-cli.ts'

async function httpPort(): Promise<number> {
  const responder = await startHttpResponder({ host: '127.0.0.1', port: 0, document: () => ({ message: 'hello' }) })
  onTestFinished(() => responder.close())
  return responder.port
}

async function udpPort(): Promise<number> {
  const responder = await startUdpResponder({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => responder.close())
  return responder.port
}

async function dnsPort(): Promise<number> {
  const addresses = ['10.0.0.1', '10.0.0.2']
  const addressesOf = (name: string) => (name === 'scout.test' ? addresses : undefined)
  const responder = await startDnsResponder({ host: '127.0.0.1', port: 0, addressesOf })
  onTestFinished(() => responder.close())
  return responder.port
}

describe('text', () => {
  test('is one line per attempt and statistics, like ping', async () => {
    const port = await udpPort()
    const { code, out, err } = await runCli(['udp', `127.0.0.1:${port}`, '-c', '3', '-i', '200ms'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(masked(out, port)).toMatchInlineSnapshot(`
      "udp probe of 127.0.0.1:#, 3 times, every 200ms
      64 bytes from 127.0.0.1:#: seq=1 time=# ms clock=#
      64 bytes from 127.0.0.1:#: seq=2 time=# ms clock=#
      64 bytes from 127.0.0.1:#: seq=3 time=# ms clock=#

      --- 127.0.0.1:# udp statistics ---
      3 sent, 3 received, 0 % loss
      min/mean/p50/p90/p99/max/jitter = #/#/#/#/#/#/# ms
      "
    `)
  })

  test('shows phases if there are several, and the kind of answer', async () => {
    const port = await httpPort()
    const { code, out } = await runCli(['http', `http://localhost:${port}/`, '-4', '-c', '2', '-i', '200ms'])
    expect(code).toBe(0)
    expect(masked(out, port)).toMatchInlineSnapshot(`
      "http probe of http://localhost:#/, 2 times, every 200ms
      19 bytes from localhost (127.0.0.1:#): seq=1 time=# ms clock=# status-code=200 (resolve #, connect #, write #, server #, transfer #)
      19 bytes from localhost (127.0.0.1:#): seq=2 time=# ms clock=# status-code=200 (resolve #, connect #, write #, server #, transfer #)

      --- http://localhost:#/ http statistics ---
      2 sent, 2 received, 0 % loss
      min/mean/p50/p90/p99/max/jitter = #/#/#/#/#/#/# ms
      "
    `)
  })

  test('lists the records of an answer once, until they change', async () => {
    const port = await dnsPort()
    const { code, out } = await runCli(['dns', `scout.test@127.0.0.1:${port}`, '-c', '2', '-i', '200ms'])
    expect(code).toBe(0)
    expect(masked(out, port)).toMatchInlineSnapshot(`
      "dns probe of scout.test@127.0.0.1:#, 2 times, every 200ms
      60 bytes from 127.0.0.1:#: seq=1 time=# ms clock=# rcode=NOERROR authoritative records=2
          A 5 10.0.0.1
          A 5 10.0.0.2
      60 bytes from 127.0.0.1:#: seq=2 time=# ms clock=# rcode=NOERROR authoritative records=2

      --- scout.test@127.0.0.1:# dns statistics ---
      2 sent, 2 received, 0 % loss
      min/mean/p50/p90/p99/max/jitter = #/#/#/#/#/#/# ms
      "
    `)
  })

  test('explains why an attempt failed', async () => {
    const port = await desertedTcpPort()
    const { code, out } = await runCli(['tcp', `127.0.0.1:${port}`, '-c', '2', '-i', '200ms'])
    expect(code).toBe(1)
    expect(masked(out, port)).toMatchInlineSnapshot(`
      "tcp probe of 127.0.0.1:#, 2 times, every 200ms
      127.0.0.1:#: seq=1 refused in connect after # ms: tcp probe of 127.0.0.1:#: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)
      127.0.0.1:#: seq=2 refused in connect after # ms: tcp probe of 127.0.0.1:#: ECONNREFUSED (nothing is listening there, or a firewall rejects the port)

      --- 127.0.0.1:# tcp statistics ---
      2 sent, 0 received, 100 % loss
      failures: 2 refused
      "
    `)
  })

  test('shows no time for a timeout, and omits statistics without values', async () => {
    const { port } = (await listenUdp(() => {})).address()
    const { code, out } = await runCli(['udp', `127.0.0.1:${port}`, '-c', '1', '--timeout', '50ms'])
    expect(code).toBe(1)
    expect(masked(out, port)).toMatchInlineSnapshot(`
      "udp probe of 127.0.0.1:#
      127.0.0.1:#: seq=1 timeout in echo: no answer within 50 ms

      --- 127.0.0.1:# udp statistics ---
      1 sent, 0 received, 100 % loss
      failures: 1 timeout
      "
    `)
  })

  test('shows and counts late and duplicate answers', async () => {
    const requests: Uint8Array[] = []
    const server = await listenUdp((bytes, from, socket) => {
      requests.push(bytes)
      // The first is answered after its timeout; the second is answered then, too, twice.
      if (requests.length < 2) return
      const [first = bytes] = requests
      const answered = requests.length === 2 ? [bytes, bytes, first] : [bytes]
      for (const request of answered) socket.send(stampAnswerTo(request), from.port, from.address)
    })
    const { port } = server.address()
    const { code, out } = await runCli(['udp', `127.0.0.1:${port}`, '-c', '3', '-i', '500ms', '--timeout', '400ms'])
    expect(code).toBe(1)
    // Its order depends on how many packets a wake-up delivers.
    const second = '64 bytes from 127.0.0.1:#: seq=2 time=# ms clock=#\n'
    const text = masked(out, port)
    expect(text).toContain(second)
    expect(text.replace(second, '')).toMatchInlineSnapshot(`
      "udp probe of 127.0.0.1:#, 3 times, every 500ms
      127.0.0.1:#: seq=1 timeout in echo: no answer within 400 ms
      127.0.0.1:#: duplicate answer # ms after its request
      127.0.0.1:#: late answer # ms after its request
      64 bytes from 127.0.0.1:#: seq=3 time=# ms clock=#

      --- 127.0.0.1:# udp statistics ---
      3 sent, 2 received, 33.3 % loss, 1 duplicates, 1 late
      failures: 1 timeout
      min/mean/p50/p90/p99/max/jitter = #/#/#/#/#/#/# ms
      "
    `)
  })

  test('folds between words on a terminal', async () => {
    const port = await httpPort()
    const { out } = await runCli(['http', `http://127.0.0.1:${port}/`, '-c', '1', '--keep-bytes', '100'], {
      terminalColumns: 80,
    })
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80)
    expect(masked(out.replaceAll('\n    ', ' '), port)).toContain(
      '\n19 bytes from 127.0.0.1:#: seq=1 time=# ms clock=# status-code=200 body={"message":"hello"} ' +
        '(connect #, write #, server #, transfer #)\n',
    )
  })

  test('counts attempts in flight when the user ends the run', async () => {
    const { port } = (await listenUdp(() => {})).address()
    const { code, out } = await runCli(['udp', `127.0.0.1:${port}`, '-c', '0', '-i', '100ms', '--timeout', '150ms'], {
      onOutput(text, end) {
        if (text.includes('timeout')) end()
      },
    })
    const counts = /\n(\d+) sent, 0 received, 100 % loss, (\d+) still waiting\nfailures: (\d+) timeout\n$/.exec(out)
    const [sent, waiting, failed] = (counts ?? []).slice(1).map(Number)
    expect(waiting).toBeGreaterThan(0)
    expect(sent).toBe((waiting ?? 0) + (failed ?? 0))
    expect(code).toBe(1)
  })
})

describe('--json', () => {
  const measured = ['protocol', 'target', 'endpoint', 'startedAtMs', 'phasesNs', 'totalNs', 'clock']
  const commonKeys = [...measured, 'ok']

  async function lines(...argv: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const { out, err } = await runCli([...argv, '--json'])
    expect(err).toBe('')
    return out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('prints one object per line with the keys of a success, in order', async () => {
    const port = await udpPort()
    const results = await lines('udp', `127.0.0.1:${port}`, '-c', '2', '-i', '200ms')
    expect(results).toHaveLength(2)
    for (const result of results) {
      expect(Object.keys(result)).toEqual([...measured, 'packets', 'ok', 'detail'])
      expect(Object.keys(result['endpoint'] ?? {})).toEqual(['host', 'address', 'family', 'port'])
      expect(Object.keys(result['clock'] ?? {})).toEqual(['tx', 'rx'])
      expect(result).toMatchObject({ protocol: 'udp', target: `127.0.0.1:${port}`, ok: true })
    }
    // The second answer tells what became of the packets since the first.
    expect(results.map(({ packets }) => Object.keys(Object(packets)))).toEqual([
      ['sent', 'arrived', 'returned', 'duplicated', 'reordered', 'late'],
      ['sent', 'arrived', 'lostForth', 'returned', 'duplicated', 'reordered', 'late'],
    ])
  })

  test('prints the keys of a failure, in order', async () => {
    const port = await desertedTcpPort()
    const [result = {}] = await lines('tcp', `localhost:${port}`, '-4', '-c', '1')
    expect(Object.keys(result)).toEqual([...commonKeys, 'failure'])
    expect(Object.keys(result['endpoint'] ?? {})).toEqual(['host', 'address', 'family', 'port', 'addressCount'])
    expect(Object.keys(result['failure'] ?? {})).toEqual(['reason', 'phase', 'message', 'code'])
    expect(result).toMatchObject({ ok: false, failure: { reason: 'refused', phase: 'connect', code: 'ECONNREFUSED' } })
  })

  test('prints the detail collected before a failure', async () => {
    const port = await listenTcp((socket) => {
      socket.on('data', () => socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'))
    })
    const [result = {}] = await lines('http', `127.0.0.1:${port}`, '-c', '1')
    expect(Object.keys(result)).toEqual([...commonKeys, 'failure', 'detail'])
    expect(result['detail']).toEqual({ statusCode: 404, bodyBytes: 0 })
  })

  testWith(nativePart)('prints the ICMP error that a failure is due to', async () => {
    const [result = {}] = await lines('udp', `127.0.0.1:${await desertedUdpPort()}`, '-c', '1')
    expect(result).toMatchObject({
      packets: { sent: 1, returned: 0 },
      failure: { reason: 'refused', code: 'ICMP 3/3', icmp: { type: 3, code: 3, from: '127.0.0.1' } },
    })
  })

  test('omits absent values', async () => {
    const [result = {}] = await lines('tcp', '127.0.0.1:80', '-6', '-c', '1')
    expect(Object.keys(result)).toEqual([...commonKeys.filter((key) => key !== 'endpoint'), 'failure'])
  })
})

describe('flags', () => {
  test('reach the probe', async () => {
    const requests: string[] = []
    const port = await listenTcp((socket) => {
      socket.on('data', (chunk) => {
        requests.push(chunk.toString())
        socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
      })
    })
    const flags = ['--method', 'HEAD', '--header', 'x-scout: a: b', '--header', 'accept: */*', '--status', '404']
    const { code } = await runCli(['http', `http://127.0.0.1:${port}/path`, '-c', '1', ...flags])
    expect(code).toBe(0)
    expect(requests.join('')).toMatch(/^HEAD \/path HTTP\/1\.1\r\n/)
    expect(requests.join('')).toContain('x-scout: a: b\r\naccept: */*\r\n')
  })

  test('choose the IP version', async () => {
    const { code, out } = await runCli(['tcp', '127.0.0.1:80', '-6', '-c', '1'])
    expect(code).toBe(1)
    expect(out).toContain('127.0.0.1 is an IPv4 address, but IPv6 was requested')
  })
})

describe('all', () => {
  test('fails for a small answer where a large one is due', async () => {
    const port = await listenTcp((socket) => {
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    })
    const others = ['syn', 'udp', 'icmp', 'dns'].flatMap((protocol) => ['--skip', protocol])
    const { code, out } = await runCli(['all', '127.0.0.1', '--port', String(port), '-c', '1', ...others])
    expect(code).toBe(1)
    expect(
      masked(out)
        .replace(`:${port}`, ':PORT')
        // A slow median makes its column wider.
        .replaceAll(/ +(# ms|MEDIAN|bad-reply)/g, '  $1'),
    ).toMatchInlineSnapshot(`
      "CHECK        BYTES  PASSED  MEDIAN
      http                   1/1  # ms
      http-large  100000     0/1  bad-reply in transfer: http://127.0.0.1:PORT/bytes?size=100000 answered with status 200 and a body of 2 bytes, expected 100000
      tcp                    1/1  # ms

      2 of 3 passed; failed: http-large
      "
    `)
  })

  test('ends with the cause of what fails', async () => {
    const flags = ['--port', String(await httpPort()), '-c', '2', '-i', '50ms', '--skip', 'icmp', '--skip', 'dns']
    const { code, out } = await runCli(['all', '127.0.0.1', ...flags])
    expect(code).toBe(1)
    expect(out.trimEnd().split('\n').at(-1)).toBe(
      'UDP is refused: here -> 127.0.0.1: either a firewall or policy stops it, or nothing listens there (scout-probe explain protocol-filtered)',
    )
  })

  test('--explain lists what each check weighs for that cause, from the most to the least', async () => {
    const flags = ['--port', String(await httpPort()), '-c', '2', '-i', '50ms', '--skip', 'icmp', '--skip', 'dns']
    const { out } = await runCli(['all', '127.0.0.1', '--explain', ...flags])
    expect(out.slice(out.indexOf('    NATS'))).toMatchInlineSnapshot(`
      "    NATS  SHOWS    CHECK
          +5.3  refused  udp
          +5.3  refused  udp-large
          +5.3  refused  udp-fragmented
           0.0  passes   http
           0.0  passes   http-large
           0.0  passes   tcp
           0.0  passes   syn
      "
    `)
  })

  test('--explain says so where no cause is named', async () => {
    const others = ['http', 'udp', 'icmp', 'dns'].flatMap((protocol) => ['--skip', protocol])
    const { code, out } = await runCli(['all', '127.0.0.1', '--explain', '--port', String(await httpPort()), ...others])
    expect(code).toBe(0)
    expect(out).toMatch(/\nno cause is named: [^\n]+\n$/)
  })

  test('--json ends with the cause of what fails, as far as one run knows it', async () => {
    const flags = ['--port', String(await httpPort()), '-c', '2', '-i', '50ms', '--skip', 'icmp', '--skip', 'dns']
    const { code, out } = await runCli(['all', '127.0.0.1', '--json', ...flags])
    expect(code).toBe(1)
    const lines: readonly Record<string, unknown>[] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const [incident = {}] = lines.slice(-1)
    expect(lines.filter(({ kind }) => kind !== undefined)).toEqual([incident])
    expect(Object.keys(incident)).toMatchInlineSnapshot(`
      [
        "kind",
        "cause",
        "scope",
        "direction",
        "severity",
        "confidence",
        "summary",
        "evidence",
        "ruledOut",
        "next",
        "rivals",
      ]
    `)
    expect(incident).toMatchObject({
      kind: 'incident',
      cause: 'protocol-filtered',
      scope: { kind: 'link', from: 'here', to: '127.0.0.1' },
      next: 'scout-probe explain protocol-filtered',
    })
  })
})
