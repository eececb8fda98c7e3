import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listenUdp } from '../../../../test/support/servers.ts'
import { parseCommand } from '../../src/config/command-line.ts'
import { loopback, runAgent } from '../support/agent-process.ts'
import { writeTemporary } from '../support/temporary.ts'

describe('--peer', () => {
  test.each([
    ['b=10.0.0.2', { name: 'b', node: 'b', addresses: ['10.0.0.2'], port: 8081 }],
    ['b=10.0.0.2:9000', { name: 'b', node: 'b', addresses: ['10.0.0.2'], port: 9000 }],
    ['b=[fd00::2]', { name: 'b', node: 'b', addresses: ['fd00::2'], port: 8081 }],
    ['b=10.0.0.2,[fd00::2]:9000', { name: 'b', node: 'b', addresses: ['10.0.0.2', 'fd00::2'], port: 9000 }],
  ])('%s', (text, peer) => {
    expect(peersOf('--peer', text)).toEqual([peer])
  })

  test('may be given again and again', () => {
    expect(peersOf('--peer', 'b=10.0.0.2', '--peer=c=10.0.0.3').map(({ name }) => name)).toEqual(['b', 'c'])
  })
})

describe('misuse is told in one sentence:', () => {
  const misuses: readonly (readonly [readonly string[], string])[] = [
    [['--intervall', '1s'], 'there is no flag --intervall: did you mean --interval?'],
    [['--colour', 'red'], 'there is no flag --colour: see --help'],
    [['--interval'], 'flag --interval needs a value'],
    [['--print-config=no'], 'flag --print-config takes no value'],
    [
      ['--interval', '-1s'],
      'setting interval (from --interval) cannot be used: "-1s" is not a duration: a duration cannot be negative',
    ],
    [
      ['--console-port', '70000'],
      'setting console.port (from --console-port) cannot be 70000: expected number to be <=65535',
    ],
    [
      ['--responder-key', 'hush', '--log', 'loud'],
      'setting log (from --log) cannot be "loud": expected one of "json"|"text"',
    ],
    [['node-2'], '"node-2" is not a flag: settings begin with -- (see --help)'],
    ...['b', 'b=', '=10.0.0.2', 'b=10.0.0.300', 'b=fd00::2', 'b=fd00::2:8081', 'b=10.0.0.2:70000', 'b=host'].map(
      (peer) =>
        [
          ['--peer', peer],
          `--peer "${peer}" is not NODE=ADDRESS[,ADDRESS][:PORT]: write node-2=10.0.0.2,[fd00::2]:8081`,
        ] as const,
    ),
    [
      ['--peer', 'b=10.0.0.2', '--peer', 'b=10.0.0.3'],
      'setting peers.1.name (from --peer) cannot be used: "b" is there a second time',
    ],
    [
      ['--peer', 'b=10.0.0.2', '--peers-file', 'peers.yaml'],
      'settings peers (from --peer) and peersFile (from --peers-file) exclude each other: name all peers in one of them',
    ],
  ]
  test.each(misuses)('%j', (args, message) => {
    expect(() => parseCommand(args, {})).toThrow(expect.objectContaining({ name: 'ScoutError', message }))
  })
})

test('--print-config prints every setting with its source, and no secret', async () => {
  const file = await writeTemporary(
    'config.yaml',
    `name: scout-1
addresses: [10.0.0.1]
console: { host: "::" }
responder: { host: "::", key: hush }
peers: [{ name: scout-2, addresses: [10.0.0.2], zone: a }]
checks:
  web: { probe: http, target: "https://{name}/", headers: { authorization: Bearer hush } }
  udp: { probe: udp, key: hush, timeout: 250ms }
`,
  )
  const command = parseCommand(['--print-config', '--config', file, '--zone', 'a', '--peer', 'scout-3=10.0.0.3'], {
    SCOUT_CONSOLE_PORT: '9000',
  })
  if (!('print' in command)) throw new Error('it would run instead of printing')
  expect(command.print.replaceAll(file, 'FILE')).toMatchInlineSnapshot(`
    "name: "scout-1"                                  # FILE
    namespace: null                                  # default
    node: "scout-1"                                  # default
    zone: "a"                                        # --zone
    addresses: ["10.0.0.1"]                          # FILE
    hostAddresses: []                                # default
    log: "json"                                      # default
    level: "info"                                    # default
    interval: "10s"                                  # default
    timeout: "3.5s"                                  # default
    settle: "5s"                                     # default
    grace: "2s"                                      # default
    maxInFlight: 256                                 # default
    console.host: "::"                               # FILE
    console.port: 9000                               # SCOUT_CONSOLE_PORT
    responder.host: "::"                             # FILE
    responder.port: 8081                             # default
    responder.key: "(secret)"                        # FILE
    discovery: "static"                              # default
    service: "scout"                                 # default
    kubeApi: null                                    # default
    kubeconfig: null                                 # default
    context: null                                    # default
    nodeConditions: false                            # default
    peersFile: null                                  # default
    peers:                                           # FILE and --peer
      - {"name":"scout-2","zone":"a","addresses":["10.0.0.2"],"port":8081,"node":"scout-2"}
      - {"name":"scout-3","addresses":["10.0.0.3"],"port":8081,"node":"scout-3"}
    checks:                                          # FILE
      web: {"probe":"http","target":"https://{name}/","method":"GET","headers":{"authorization":"(secret)"},"status":"200-399","sendBytes":0,"keepBytes":0,"observe":false,"verify":true,"timeout":"3.5s","family":"any"}
      udp: {"probe":"udp","target":"{host}:{port}","payloadBytes":64,"key":"(secret)","timeout":"250ms","family":"any"}
    "
  `)
  expect(command.print).not.toContain('hush')
})

test('--version prints the version of the package', () => {
  expect(parseCommand(['--version'], {})).toEqual({ print: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

test('the configuration file may be named by the environment', async () => {
  const file = await writeTemporary('config.yaml', 'zone: from-file')
  const command = parseCommand([], { SCOUT_CONFIG: file })
  expect(command).toMatchObject({ config: { zone: 'from-file' } })
})

describe('the process', { timeout: 30_000 }, () => {
  test('prints help, with every setting', async () => {
    const { code, out, err } = await runAgent(['--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatchInlineSnapshot(`
      "usage: scout-agent [--config FILE] [settings]

      Probes every peer with every check, answers them, and shows what it found.

        --config               YAML file with any of the settings
        --peer                 a peer, as NODE=ADDRESS[,ADDRESS][:PORT] with IPv6 in brackets; repeatable
        --print-config         print every setting with its source, and exit
        --help                 print this
        --version              print the version

      Settings: also in the file under the name in brackets, and in the environment under SCOUT_ and the name of the flag
        --name                 name of this agent, unique among its peers [name]
        --namespace            namespace of its pod, and of its peers; that of its service account unless given [namespace]
        --node                 node it runs on; its name unless given [node]
        --zone                 zone of its node [zone]
        --addresses            its own addresses; those of its interfaces unless given [addresses]
        --host-addresses       addresses of its node [hostAddresses]
        --log                  json for machines; text prints peers and every probe (json, text) [log]
        --level                least level of the json log; debug has every attempt (debug, info, warn, error) [level]
        --interval             time between two attempts of one check on one peer [interval]
        --timeout              deadline of checks that set none [timeout]
        --settle               a failure counts when its peer is still ready so long after; 5s, or 40s with dns, as long as it takes to tell that one is gone, unless given [settle]
        --grace                time to go on answering after the goodbye to all peers [grace]
        --max-in-flight        attempts under way at once [maxInFlight]
        --console-host         address to listen on; :: takes both families and is the default where this host has IPv6 [console.host]
        --console-port         0 lets the host choose [console.port]
        --responder-host       address to listen on; :: takes both families and is the default where this host has IPv6 [responder.host]
        --responder-port       0 lets the host choose [responder.port]
        --responder-key        secret shared by all agents, for UDP [responder.key]
        --discovery            where peers come from; auto: the list if there is one, else Kubernetes if it is to be had, else dns in a pod (auto, kubernetes, dns, static) [discovery]
        --service              headless service all agents are behind; a whole name for dns [service]
        --kube-api             API server without credentials: http://127.0.0.1:8081 of kubectl proxy --port=8081 [kubeApi]
        --kubeconfig           kubeconfig file; those of KUBECONFIG or ~/.kube/config unless given [kubeconfig]
        --context              context of the kubeconfig; its current one unless given [context]
        --node-conditions      watch the conditions of nodes; needs the right to, cluster-wide [nodeConditions]
        --peers-file           YAML list of peers, read again when it changes [peersFile]

      Examples:
        scout-agent --node node-1 --peer node-2=10.0.0.2 --log text
        scout-agent --config /etc/scout/config.yaml --print-config
      "
    `)
  })

  test('ends with 2 when it is used wrongly', async () => {
    expect(await runAgent(['--intervall', '1s'])).toEqual({
      code: 2,
      out: '',
      err: 'scout-agent: there is no flag --intervall: did you mean --interval?\n',
    })
  })

  test('ends with 2, before it listens, when the list of peers cannot be used', async () => {
    const path = await writeTemporary('peers.yaml', '- { name: one, adresses: [10.0.0.1] }')
    const { code, out, err } = await runAgent([...anyPorts(), '--peers-file', path])
    expect({ code, err }).toEqual({
      code: 2,
      err: `scout-agent: cannot use the peers in ${path}: there is no setting 0.adresses: did you mean addresses?\n`,
    })
    expect(out).not.toContain('listening')
  })

  test.each([
    ['console', async (host: string) => portOf(await listenOn(host))],
    ['responder', async (host: string) => portOf(await listenOn(host))],
    ['responder', async (host: string) => (await listenUdp(() => {}, host)).address().port],
  ] as const)('ends with 1 when another process has the port of the %s', async (what, take) => {
    const host = loopback(1)
    const port = await take(host)
    const { code, err } = await runAgent([...anyPorts(), `--${what}-host`, host, `--${what}-port`, String(port)])
    expect(code).toBe(1)
    expect(err).toMatch(/^scout-agent: (listen|bind) EADDRINUSE/)
    expect(err).toContain(`${host}:${port}: another process has the port, choose another with --${what}-port\n`)
  })
})

function peersOf(...args: readonly string[]) {
  const command = parseCommand(args, {})
  return 'config' in command ? command.config.peers : []
}

function anyPorts(): readonly string[] {
  return [
    '--console-host',
    loopback(1),
    '--console-port',
    '0',
    '--responder-host',
    loopback(1),
    '--responder-port',
    '0',
  ]
}

async function listenOn(host: string): Promise<Server> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
