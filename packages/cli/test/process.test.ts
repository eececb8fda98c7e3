import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { runAlone } from '../../../test/support/alone.ts'
import { canDropRawSockets, namespaces } from '../../../test/support/child.ts'
import { recordModules } from '../../../test/support/evaluated.ts'
import { type Requirement, testWith } from '../../../test/support/requirements.ts'
import { listenTcp, listenUdp } from '../../../test/support/servers.ts'
import { masked } from './support/run-cli.ts'
import { type RunningCli, startCli } from './support/start-cli.ts'

/** Starts `serve` on free ports; returns those ports. */
async function startServing(...flags: readonly string[]) {
  const cli = startCli(['serve', '--host', '127.0.0.1', '--port', '0', '--dns-port', '0', ...flags])
  await cli.waitFor('try: scout-probe all 127.0.0.1')
  const [port = 0, , dnsPort = 0] = [...cli.out().matchAll(/:(\d+)\n/g)].map(([, digits]) => Number(digits))
  return { cli, port, dnsPort }
}

async function finish(cli: RunningCli) {
  return { ...(await cli.exit()), out: cli.out(), err: cli.err() }
}

describe('Ctrl-C', () => {
  test('prints the statistics and exits with their code', async () => {
    const port = await listenTcp((socket) => socket.end())
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '0', '-i', '50ms'])
    await cli.waitFor('seq=3')
    cli.process.kill('SIGINT')
    const { code, out, err } = await finish(cli)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/\n--- 127\.0\.0\.1:\d+ tcp statistics ---\n\d+ sent, \d+ received, 0 % loss\n/)
  })

  test('does not wait for attempts in flight', async () => {
    const server = await listenUdp(() => {})
    const cli = startCli(['udp', `127.0.0.1:${server.address().port}`, '--timeout', '5m'])
    await once(server, 'message')
    cli.process.kill('SIGTERM')
    const { code, out } = await finish(cli)
    expect(code).toBe(1)
    expect(out).toContain('1 sent, 0 received, 1 still waiting')
  })

  test('ends a slow shutdown at once when pressed twice', async () => {
    const { cli, port } = await startServing()
    const client = connect({ host: '127.0.0.1', port })
    client.on('error', () => {})
    // The answer to the first shows that the half of the second has arrived, too.
    client.write('GET / HTTP/1.1\r\nhost: scout\r\n\r\nGET /')
    await once(client, 'data')
    cli.process.kill('SIGINT')
    await cli.waitFor('stopping')
    cli.process.kill('SIGINT')
    expect(await cli.exit()).toEqual({ code: null, signal: 'SIGINT' })
  })
})

describe('input', () => {
  test('is not read', async () => {
    const port = await listenTcp((socket) => socket.end())
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '2', '-i', '50ms'], { hasInput: true })
    cli.process.stdin?.end('q')
    expect(await finish(cli)).toMatchObject({ code: 0, signal: null })
    expect(cli.out()).toContain('seq=2')
  })

  const env = { SCOUT_PROBE_ENDS_WITH_INPUT: '1' }

  test.each([
    ['anything', (cli: RunningCli) => cli.process.stdin?.write('\x03')],
    ['its end', (cli: RunningCli) => cli.process.stdin?.end()],
  ])('stands for Ctrl-C where that is wanted: %s', async (_, act) => {
    const port = await listenTcp((socket) => socket.end())
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '0', '-i', '50ms'], { env, hasInput: true })
    await cli.waitFor('seq=3')
    act(cli)
    expect(await finish(cli)).toMatchObject({ code: 0, signal: null, err: '' })
    expect(cli.out()).toMatch(/tcp statistics ---\n\d+ sent/)
  })

  test('does not prevent a probe from ending by itself', async () => {
    const port = await listenTcp((socket) => socket.end())
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '1'], { env, hasInput: true })
    expect(await finish(cli)).toMatchObject({ code: 0, signal: null })
  })
})

describe('output', () => {
  test('ends the run quietly when its reader closes it', async () => {
    const port = await listenTcp((socket) => socket.end())
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '0', '-i', '20ms'])
    await cli.waitFor('seq=2')
    cli.process.stdout.destroy()
    expect(await finish(cli)).toMatchObject({ code: 0, signal: null, err: '' })
  })

  test('is a failure if it cannot be written', () => {
    const shell = `exec "$0" "$1" --help > /dev/full`
    const script = new URL('../bin/scout-probe.js', import.meta.url).pathname
    expect(() => execFileSync('sh', ['-c', shell, process.execPath, script], { stdio: 'pipe' })).toThrow(
      'scout-probe: cannot write its output: ENOSPC',
    )
  })

  test('to a pipe has the requested width and colours', async () => {
    const port = await listenTcp((socket) => socket.end())
    const env = { COLUMNS: '40', FORCE_COLOR: '1' }
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '1'], { env })
    const { code, out } = await finish(cli)
    expect(code).toBe(0)
    expect(out).toContain('\x1b[32m')
    expect(
      Math.max(
        ...stripVTControlCharacters(out)
          .split('\n')
          .slice(0, 3)
          .map(({ length }) => length),
      ),
    ).toBeLessThanOrEqual(40)
  })

  const pty: Requirement = { isMet: succeeds('script', '-qec', 'true', '/dev/null'), reason: 'needs script(1)' }

  testWith(pty)('is not folded on a terminal that has no size yet', async () => {
    const port = await listenTcp((socket) => socket.end())
    const env = { TERM: 'xterm', NO_COLOR: '1' }
    const { out } = await finish(startCli(['tcp', `127.0.0.1:${port}`, '-c', '1'], { isOnTerminal: true, env }))
    expect(out).toMatch(/127\.0\.0\.1:\d+: seq=1 .* clock=\S+ source-port=\d+/m)
  })

  testWith(pty).each([
    ['is in colour on a terminal', {}, true],
    ['is plain under NO_COLOR', { NO_COLOR: '1' }, false],
    ['is plain on a dumb terminal', { TERM: 'dumb' }, false],
  ] as const)('%s', async (_, env, isPainted) => {
    const port = await listenTcp((socket) => socket.end())
    const cli = startCli(['tcp', `127.0.0.1:${port}`, '-c', '1'], {
      isOnTerminal: true,
      env: { TERM: 'xterm', ...env },
    })
    const { code, out } = await finish(cli)
    expect(code).toBe(0)
    expect(out.includes('\x1b[32m')).toBe(isPainted)
  })
})

test('a probe starts without loading cluster code', async () => {
  const port = await listenTcp((socket) => socket.end())
  expect(await modulesOf(['tcp', `127.0.0.1:${port}`, '-c', '1'])).not.toMatch(
    /client-node|packages\/agent|cli\/dist\/cluster\//,
  )
  expect(await modulesOf(['mesh', '--kubeconfig', '/nonexistent'])).toMatch(/client-node/)
})

/** Returns the URLs of all modules that a run evaluated. */
async function modulesOf(argv: readonly string[]): Promise<string> {
  const { env, modules } = recordModules()
  await startCli(argv, { env }).exit()
  const urls = modules()
  expect(urls.some((url) => url.endsWith('/cli/dist/program.js'))).toBe(true)
  return urls.join('\n')
}

test('kubectl scout is the same program under its plugin name', async () => {
  const help = await finish(startCli(['--help'], { program: 'kubectl-scout' }))
  expect(help).toMatchObject({ code: 0, err: '' })
  expect(help.out).toMatch(/^Usage: kubectl scout \[options\] \[command\]\n/)
  expect(help.out).toContain('$ kubectl scout --from node-2 all 10.244.1.31 --skip dns\n')
  expect(await finish(startCli(['msh'], { program: 'kubectl-scout' }))).toMatchObject({
    code: 2,
    err: "kubectl scout: unknown command 'msh': did you mean mesh?\n",
  })
})

describe('two processes', () => {
  test('probe each other with every protocol', async () => {
    const { cli, port, dnsPort } = await startServing('--key', 'secret')
    const flags = [
      '--port',
      String(port),
      '--dns-port',
      String(dnsPort),
      '--key',
      'secret',
      '--skip',
      'icmp',
      '--skip',
      'syn',
    ]
    const all = await finish(startCli(['all', '127.0.0.1', ...flags]))
    expect({ code: all.code, err: all.err }).toEqual({ code: 0, err: '' })
    expect(masked(all.out).replaceAll(/ +(# ms|MEDIAN)/g, '  $1')).toMatchInlineSnapshot(`
      "CHECK            BYTES  PASSED  MEDIAN
      http                       3/3  # ms
      http-large      100000     3/3  # ms
      tcp                        3/3  # ms
      udp                 64     3/3  # ms
      udp-large         1400     3/3  # ms
      udp-fragmented    4000     3/3  # ms
      dns                        3/3  # ms
      dns-parallel               3/3  # ms
      dns-tcp                    3/3  # ms

      9 of 9 passed
      "
    `)

    cli.process.kill('SIGTERM')
    const served = await finish(cli)
    expect(served.code).toBe(0)
    expect(masked(served.out, port, dnsPort)).toMatchInlineSnapshot(`
      "http and tcp at 127.0.0.1:#
      udp at 127.0.0.1:#
      dns at 127.0.0.1:#

      http and tcp: 6 answered, 0 rejected
      udp: 9 answered, 0 rejected
      dns: 12 answered, 0 rejected
      "
    `)
    expect(masked(served.err, port, dnsPort)).toMatchInlineSnapshot(`
      "try: scout-probe all 127.0.0.1 --port # --dns-port # --key …
      stopping
      "
    `)
  })

  test('report which port is in use, and leave nothing running', async () => {
    const port = await listenTcp(() => {})
    const taken = await finish(startCli(['serve', '--host', '127.0.0.1', '--port', String(port)]))
    expect(taken).toMatchObject({ code: 1, out: '' })
    expect(masked(taken.err, port)).toMatchInlineSnapshot(`
      "scout-probe: cannot listen for http and tcp at 127.0.0.1:#: EADDRINUSE (another process uses that port: choose another with --port)
      "
    `)
    const dns = await finish(startCli(['serve', '--host', '127.0.0.1', '--port', '0', '--dns-port', String(port)]))
    expect(dns.code).toBe(1)
    expect(masked(dns.err, port)).toMatchInlineSnapshot(`
      "scout-probe: cannot listen for dns at 127.0.0.1:#: EADDRINUSE (another process uses that port: choose another with --dns-port)
      "
    `)
  })
})

describe('without privileges', () => {
  const dropped = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw'] : []

  testWith(canDropRawSockets)('icmp says what is missing, once, and exits with 3', async () => {
    const { code, out, err } = await finish(startCli(['icmp', '127.0.0.1'], { wrapper: dropped }))
    expect({ code, err }).toEqual({ code: 3, err: '' })
    const needed =
      'this process lacks CAP_NET_RAW \\(in a pod: securityContext.capabilities.add: \\["NET_RAW"\\]; on a host: run as root\\)'
    expect(out).toMatch(
      new RegExp(
        `^icmp probe of 127.0.0.1, 4 times, every 1s\n127.0.0.1: seq=1 not-permitted: cannot open an? .*: ${needed}.*\n\n` +
          '--- 127.0.0.1 icmp statistics ---\n0 sent, 0 received, 1 inconclusive\nfailures: 1 not-permitted\n$',
      ),
    )
  })

  testWith(canDropRawSockets)('all runs the rest and exits with 3', async () => {
    const { port, dnsPort } = await startServing()
    const argv = ['all', '127.0.0.1', '--port', String(port), '--dns-port', String(dnsPort)]
    const { code, out } = await finish(startCli(argv, { wrapper: dropped }))
    expect(code).toBe(3)
    expect(out).toMatch(/\n9 of 12 passed; no result: syn, icmp, icmp-large\n$/)
  })
})

testWith('ip', namespaces)('serve with port 0 finds a port that is free for TCP and UDP', () => {
  const program = new URL('../bin/scout-probe.js', import.meta.url).pathname
  expect(runAlone(servingAmongTaken, { PROGRAM: program })).toEqual(Array.from({ length: 4 }, () => 'it serves'))
})

/** Of 64 ports, the half is taken for UDP. */
const servingAmongTaken = `
  import { spawn } from 'node:child_process'
  import { createSocket } from 'node:dgram'
  import { once } from 'node:events'
  import { writeFileSync } from 'node:fs'
  import { text } from 'node:stream/consumers'
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '40000 40063')
  for (let port = 40000; port < 40064; port++)
    if ((port >> 1) % 2 === 0) await once(createSocket('udp4').bind(port, '127.0.0.1'), 'listening')
  for (let run = 0; run < 4; run++) {
    const child = spawn(process.execPath, [process.env.PROGRAM, 'serve', '--host', '127.0.0.1', '--port', '0'])
    child.stderr.once('data', () => child.kill('SIGINT'))
    const [said] = await Promise.all([text(child.stderr), once(child, 'close')])
    console.log(JSON.stringify(child.exitCode === 0 ? 'it serves' : said))
  }
  process.exit()
`

testWith(namespaces)('a name that no server answers for is a failure, and no mistake', async () => {
  const wrapper = ['unshare', '--user', '--map-root-user', '--net']
  const { code, out, err } = await finish(startCli(['tcp', 'scout.example:80', '-c', '1'], { wrapper }))
  expect({ code, err }).toEqual({ code: 1, err: '' })
  expect(out).toMatch(
    /^scout\.example:80: seq=1 unresolved in resolve after [\d.]+ ms: cannot resolve scout\.example /m,
  )
  expect(out).toContain('\n0 sent, 0 received, 1 inconclusive\nfailures: 1 unresolved\n')
})

function succeeds(file: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
