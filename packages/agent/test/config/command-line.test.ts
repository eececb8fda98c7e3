import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listenUdp } from '../../../../test/support/servers.ts'
import { parseCommand } from '../../src/config/command-line.ts'
import { loopback, runAgent, startAgent } from '../support/agent-process.ts'
import { writeTemporary } from '../support/temporary.ts'

describe('--peer', () => {
  test.each([
    ['b=10.0.0.2', { name: 'b', node: 'b', addresses: ['10.0.0.2'], port: 8081 }],
    ['b=10.0.0.2:9000', { name: 'b', node: 'b', addresses: ['10.0.0.2'], port: 9000 }],
    ['b=[fd00::2]', { name: 'b', node: 'b', addresses: ['fd00::2'], port: 8081 }],
    ['b=[FE80:0::2%eth0]:9000', { name: 'b', node: 'b', addresses: ['fe80::2%eth0'], port: 9000 }],
    ['b=[::ffff:10.0.0.2],10.0.0.2', { name: 'b', node: 'b', addresses: ['10.0.0.2'], port: 8081 }],
    ['b=10.0.0.2,[fd00::2]:9000', { name: 'b', node: 'b', addresses: ['10.0.0.2', 'fd00::2'], port: 9000 }],
  ])('%s', (text, peer) => {
    expect(peersOf('--peer', text)).toEqual([peer])
  })

  test('is repeatable', () => {
    expect(peersOf('--peer', 'b=10.0.0.2', '--peer=c=10.0.0.3').map(({ name }) => name)).toEqual(['b', 'c'])
  })
})

test('a list may be separated by commas, or its flag repeated', () => {
  const command = parseCommand(['--addresses', '10.0.0.1,fd00::1', '--addresses', '10.0.0.2', '--zone=a', '--zone=b'], {
    SCOUT_ADDRESSES: '10.0.0.9',
  })
  expect(command).toMatchObject({ config: { addresses: ['10.0.0.1', 'fd00::1', '10.0.0.2'], zone: 'b' } })
})

describe('misuse is reported in one sentence:', () => {
  const misuses: readonly (readonly [readonly string[], string])[] = [
    [['--intervall', '1s'], 'there is no flag --intervall: did you mean --interval?'],
    [['--colour', 'red'], 'there is no flag --colour: see --help'],
    [['--interval'], 'flag --interval needs a value'],
    [['--print-config=no'], 'flag --print-config takes no value'],
    [
      ['--interval', '-1s'],
      'setting interval (from --interval): "-1s" is not a duration: a duration cannot be negative',
    ],
    [
      ['--console-port', '70000'],
      'setting console.port (from --console-port): 70000 is out of range: it must be at least 0 and at most 65535',
    ],
    [['--responder-key', 'hush', '--log', 'loud'], 'setting log (from --log): "loud" is not one of json, text'],
    [['node-2'], '"node-2" is not a flag: flags begin with -- (see --help)'],
    ...[
      'b',
      'b=',
      '=10.0.0.2',
      'b=10.0.0.300',
      'b=fd00::2',
      'b=fd00::2:8081',
      'b=10.0.0.2:70000',
      'b=host',
      'x\n=10.0.0.1',
      'x\u202e=10.0.0.1',
    ].map(
      (peer) =>
        [
          ['--peer', peer],
          `--peer "${peer}" is not NODE=ADDRESS[,ADDRESS][:PORT]: write node-2=10.0.0.2,[fd00::2]:8081`,
        ] as const,
    ),
    [
      ['--peer', 'b=[fe80::2]'],
      '--peer "b=[fe80::2]": fe80::2 is a link-local address, which is valid on each interface: name the interface, as in fe80::2%eth0',
    ],
    [['--peer', 'b=0.0.0.0'], '--peer "b=0.0.0.0": 0.0.0.0 is the wildcard address: name a specific address'],
    [['--peer', 'b=10.0.0.2', '--peer', 'b=10.0.0.3'], 'setting peers.1.name (from --peer): "b" is listed twice'],
    [
      ['--peer', 'b=10.0.0.2', '--peers-file', 'peers.yaml'],
      'settings peers (from --peer) and peersFile (from --peers-file) exclude each other: list all peers in one of them',
    ],
  ]
  test.each(misuses)('%j', (args, message) => {
    expect(() => parseCommand(args, {})).toThrow(expect.objectContaining({ name: 'ScoutError', message }))
  })
})

test('--print-config prints every setting with its source, but no secret', async () => {
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
  if (!('print' in command)) throw new Error('it runs instead of printing')
  expect(command.print.replaceAll(file, 'FILE')).toMatchInlineSnapshot(`
    "name: "scout-1"                                  # FILE
    # namespace:                                     # default
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
    probedNodes: 64                                  # default
    maxInFlight: 256                                 # default
    console:
      host: "::"                                     # FILE
      port: 9000                                     # SCOUT_CONSOLE_PORT
      names: []                                      # default
      token: ""                                      # default
    metrics:
      series: 500                                    # default
      runtime: false                                 # default
    # historyFile:                                   # default
    otlp:
      # endpoint:                                    # default
      interval: "1m"                                 # default
    responder:
      host: "::"                                     # FILE
      port: 8081                                     # default
      key: "(secret)"                                # FILE
    discovery: "static"                              # default
    service: "scout"                                 # default
    # kubeApi:                                       # default
    # kubeconfig:                                    # default
    # context:                                       # default
    nodeConditions: false                            # default
    nodeEvents: false                                # default
    # peersFile:                                     # default
    # dnsService:                                    # default
    peers:                                           # FILE and --peer
      - {"name":"scout-2","zone":"a","addresses":["10.0.0.2"],"port":8081,"node":"scout-2"}
      - {"name":"scout-3","addresses":["10.0.0.3"],"port":8081,"node":"scout-3"}
    dnsPods: []                                      # default
    checks:                                          # FILE
      "web": {"probe":"http","target":"https://{name}/","interval":"10s","method":"GET","headers":{"authorization":"(secret)"},"status":"200-399","sendBytes":0,"keepBytes":0,"expectFiller":false,"maxBytes":4194304,"observe":false,"ca":"","serverName":"","insecure":false,"timeout":"3.5s","family":"any"}
      "udp": {"probe":"udp","target":"{host}:{port}","interval":"10s","payloadBytes":64,"light":false,"timestamps":false,"flows":1,"volley":1,"keep":false,"plain":false,"send":"","expect":"","timeout":"250ms","family":"any"}
    "
  `)
  expect(command.print).not.toContain('hush')
})

describe('what --print-config prints', () => {
  const print = (args: readonly string[], environment = {}) => {
    const command = parseCommand([...args, '--print-config'], environment)
    if (!('print' in command)) throw new Error('it runs instead of printing')
    return command.print
  }

  test.each<[what: string, file: string, args: readonly string[]]>([
    ['the default', '', []],
    ['peers', '', ['--peer', 'b=10.0.0.2,[fd00::2]:9000', '--zone', 'a']],
    ['groups', 'console: { port: 9000 }\nresponder: { host: 127.0.0.1 }', []],
    ['no checks', 'checks: {}', []],
    ['a pod without a namespace', '', ['--discovery', 'kubernetes']],
    [
      'checks',
      'checks:\n  "my: own": { probe: http, target: "{base}/x?size=1", interval: 1m30s, status: "200" }\n  node: { probe: tcp, target: "{host}:10250", path: node }\n',
      [],
    ],
  ])('loads again as the same configuration: %s', async (_, text, args) => {
    const given = [...args, '--config', await writeTemporary('config.yaml', text)]
    const again = ['--config', await writeTemporary('printed.yaml', print(given))]
    expect(configOf(again)).toEqual(configOf(given))
  })

  test('loads again with a secret only after the secret is put back', async () => {
    const given = [
      '--config',
      await writeTemporary('config.yaml', 'responder: { key: hush }\nchecks: { a: { probe: udp } }'),
    ]
    const printed = await writeTemporary('printed.yaml', print(given))
    expect(() => parseCommand(['--config', printed], {})).toThrow(
      `setting responder.key (from ${printed}): "(secret)" stands for a secret that was not printed: write the secret`,
    )
    expect(configOf(['--config', printed], { SCOUT_RESPONDER_KEY: 'hush' })).toEqual(configOf(given))
  })

  test('is refused with the placeholder of a header', async () => {
    const file = await writeTemporary('config.yaml', 'checks: { a: { probe: http, headers: { cookie: (secret) } } }')
    expect(() => parseCommand(['--config', file], {})).toThrow(
      'option headers.cookie of the http probe: "(secret)" stands',
    )
  })
})

describe('a remark is made about', () => {
  const remarksOn = (args: readonly string[], environment = {}) => {
    const command = parseCommand(args, environment)
    return 'remarks' in command ? command.remarks : []
  }

  test('an unknown variable that begins like a setting, with the nearest name', () => {
    const environment = {
      SCOUT_INTERVALL: '1s',
      SCOUT_COLOUR: 'red',
      SCOUT_INTERVAL: '1s',
      SCOUT_NATIVE: '0',
      // Kubernetes sets these for Services called scout and scout-web.
      SCOUT_SERVICE_HOST: '10.96.0.7',
      SCOUT_SERVICE_PORT: '8080',
      SCOUT_SERVICE_PORT_CONSOLE: '8080',
      SCOUT_PORT: 'tcp://10.96.0.7:8080',
      SCOUT_WEB_PORT_8080_TCP_ADDR: '10.96.0.8',
    }
    expect(remarksOn(['--peer', 'b=10.0.0.2'], environment)).toEqual([
      'ignored the environment variable SCOUT_COLOUR, which is no setting: see scout-agent --help',
      'ignored the environment variable SCOUT_INTERVALL, which is no setting: did you mean SCOUT_INTERVAL?',
    ])
  })

  test('an agent without peers', () => {
    expect(remarksOn([])).toEqual([expect.stringMatching(/^there are no peers to probe: list them with --peer /)])
    expect(remarksOn(['--peers-file', 'peers.yaml'])).toEqual([])
    expect(remarksOn(['--kube-api', 'http://127.0.0.1:8001'])).toEqual([])
  })
})

test('--version prints the version of the package', () => {
  expect(parseCommand(['--version'], {})).toEqual({ print: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
})

test('the environment can name the configuration file', async () => {
  const file = await writeTemporary('config.yaml', 'zone: from-file')
  const command = parseCommand([], { SCOUT_CONFIG: file })
  expect(command).toMatchObject({ config: { zone: 'from-file' } })
})

describe('the process', { timeout: 30_000 }, () => {
  test('prints help with every setting', async () => {
    const { code, out, err } = await runAgent(['--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatchInlineSnapshot(`
      "usage: scout-agent [--config FILE] [settings]

      Probes every peer with every check, answers probes of peers, and reports the results.

        --config <file>              YAML file with settings
        --peer <peer>                peer as NODE=ADDRESS[,ADDRESS][:PORT], IPv6 in brackets; repeatable
        --print-config               print every setting with its source and exit
        --help                       print this help
        --version                    print the version

      Settings: also in the file under the name in brackets, and in the environment under SCOUT_ and the name of the flag
        --name <text>                name of this agent, unique among its peers (default: the host name) [name]
        --namespace <text>           namespace of the pod and its peers (default: namespace of the service account) [namespace]
        --node <text>                node that the agent runs on (default: name of the agent) [node]
        --zone <text>                zone of the node [zone]
        --addresses <text,…>         addresses of the agent (default: addresses of its interfaces) [addresses]
        --host-addresses <text,…>    addresses of the node [hostAddresses]
        --log <choice>               log format; text prints peers and each result (json, text; default: json) [log]
        --level <choice>             lowest level of the JSON log; debug includes each result (of a stream, up to twenty packets) (debug, info, warn, error; default: info) [level]
        --interval <duration>        general interval of checks; udp sends up to twenty packets in it, expensive checks run every third (default: 10s) [interval]
        --timeout <duration>         timeout of checks that set none (default: 3.5s) [timeout]
        --settle <duration>          how long a peer must stay ready before its failure counts (default: 5s; 40s with discovery dns) [settle]
        --grace <duration>           how long to keep answering after saying goodbye to all peers (default: 2s) [grace]
        --probed-nodes <number>      maximum number of nodes to probe; in a larger mesh each agent probes a sample, a part of which rotates (default: 64) [probedNodes]
        --max-in-flight <number>     maximum number of attempts in flight (default: 256) [maxInFlight]
        --console-host <text>        address to listen on; :: accepts both families (default: :: if this host has IPv6, otherwise 0.0.0.0) [console.host]
        --console-port <number>      port to listen on; 0 picks a free port (default: 8080) [console.port]
        --console-names <text,…>     further host names that requests may name, such as that of an Ingress [console.names]
        --console-token <text>       secret that readers of page, API and metrics must send as a bearer token; none: anyone may read. With it, agents show what others know only if they share responder.key [console.token]
        --metrics-series <number>    maximum number of time series about single links; beyond it, a fixed sample of the checks and those that fail (default: 500) [metrics.series]
        --metrics-runtime <boolean>  also show event loop, heap and garbage collection of Node (default: false) [metrics.runtime]
        --history-file <text>        file that keeps the history of links across restarts; each agent needs one of its own (default: none: a restart loses the history) [historyFile]
        --otlp-endpoint <text>       OpenTelemetry collector to send the metrics to over HTTP, such as http://otel-collector:4318; /v1/metrics is added (default: OTEL_EXPORTER_OTLP_ENDPOINT; without it, nothing is sent) [otlp.endpoint]
        --otlp-interval <duration>   time between exports (default: OTEL_METRIC_EXPORT_INTERVAL or 1m) [otlp.interval]
        --responder-host <text>      address to listen on; :: accepts both families (default: :: if this host has IPv6, otherwise 0.0.0.0) [responder.host]
        --responder-port <number>    port to listen on; 0 picks a free port (default: 8081) [responder.port]
        --responder-key <text>       secret shared by all agents, for UDP and goodbyes [responder.key]
        --discovery <choice>         source of peers; auto: the list if there is one, otherwise Kubernetes if available, otherwise dns in a pod (auto, kubernetes, dns, static; default: auto) [discovery]
        --service <text>             headless Service of all agents; with discovery dns, a full DNS name works too (default: scout) [service]
        --kube-api <text>            API server that needs no credentials, such as http://127.0.0.1:8081 of kubectl proxy --port=8081 [kubeApi]
        --kubeconfig <text>          kubeconfig file (default: KUBECONFIG or ~/.kube/config) [kubeconfig]
        --context <text>             context of the kubeconfig (default: the current one) [context]
        --node-conditions <boolean>  watch node conditions; needs a cluster-wide permission (default: false) [nodeConditions]
        --node-events <boolean>      write incidents as Events of the nodes they name; needs the permission to create them in namespace default (default: false) [nodeEvents]
        --peers-file <text>          YAML file with a list of peers; reloaded when it changes [peersFile]
        --dns-service <text>         Service of cluster DNS, as NAMESPACE/NAME, whose pods are also queried one by one; needs the permission to watch its EndpointSlices [dnsService]

      Examples:
        scout-agent --node node-1 --peer node-2=10.0.0.2 --log text
        scout-agent --config /etc/scout/config.yaml --print-config
      "
    `)
  })

  test('logs that a variable is unknown and that there are no peers', async () => {
    const agent = await startAgent({ responder: { host: loopback(1), port: 0 } }, ['env', 'SCOUT_INTERVALL=1s'])
    const odd = await agent.logged(({ msg }) => msg === 'configuration is odd', 2)
    expect(odd).toMatchObject([
      { what: expect.stringContaining('ignored the environment variable SCOUT_INTERVALL') },
      { what: expect.stringContaining('there are no peers to probe') },
    ])
  })

  test('exits with 2 after a usage error', async () => {
    expect(await runAgent(['--intervall', '1s'])).toEqual({
      code: 2,
      out: '',
      err: 'scout-agent: there is no flag --intervall: did you mean --interval?\n',
    })
  })

  test('exits with 2, before it listens, when the list of peers is invalid', async () => {
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
  ] as const)('exits with 1 when another process uses the port of the %s', async (what, take) => {
    const host = loopback(1)
    const port = await take(host)
    const { code, err } = await runAgent([...anyPorts(), `--${what}-host`, host, `--${what}-port`, String(port)])
    expect(code).toBe(1)
    expect(err).toMatch(/^scout-agent: (listen|bind) EADDRINUSE/)
    expect(err).toContain(`${host}:${port}: another process uses the port; choose another with --${what}-port\n`)
  })
})

function configOf(args: readonly string[], environment = {}) {
  const command = parseCommand(args, environment)
  return 'config' in command ? command.config : undefined
}

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
