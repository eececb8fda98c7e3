import { expect, test } from 'vitest'
import { helpOf, runCli } from './support/run-cli.ts'

test('the program lists its commands', async () => {
  expect(await helpOf()).toMatchInlineSnapshot(`
    "Usage: scout-probe [options] [command]

    Probe a network path by hand, with every protocol that Scout supports.

    Options:
      -V, --version           output the version number
      -h, --help              display help for command

    Cluster options:
      --from <node>           probe from the agent on this cluster node instead of
                              from here
      -n, --namespace <name>  namespace of Scout (default: found in the cluster)
      --service <name>        headless Service of Scout; required if a namespace has
                              several
      --kubeconfig <file>     kubeconfig file (default: KUBECONFIG or
                              ~/.kube/config)
      --context <name>        context of the kubeconfig (default: the current one)
      --kube-api <url>        API server that needs no credentials, such as kubectl
                              proxy

    Commands:
      http <target>           make one HTTP request over a new connection and time
                              each phase
      tcp <target>            time a TCP handshake, and the answer of a service
      syn <target>            time a half-open TCP handshake, which the application
                              never sees: open, closed or filtered
      udp <target>            send a packet to a Scout responder or any other STAMP
                              reflector, or a datagram to any UDP service, and time
                              the answer
      icmp <target>           send an ICMP echo request and time the reply
      dns <target>            query one name server and time the answer
      mtu <target>            find the path MTU in both directions, and tell a black
                              hole from a reported limit
      trace <target>          find the routers on the way to a target, with the
                              loss, times and MTU of each
      all <host>              probe a host with every protocol at once and show what
                              passes
      serve                   answer the probes of others until Ctrl-C
      doctor                  show the privileges of this process and how well it
                              can measure
      mesh                    show the links between the nodes of a cluster, as
                              measured by its agents
      explain [cause]         show what a cause means, its usual reasons and what to
                              do, or list all causes
      help [command]          display help for command

    Exit codes:
      0  all ok
      1  a probe or a link failed, or there is no result
      2  usage error; nothing was sent
      3  not permitted or not supported here
      4  with mesh --wait: the state of the mesh could not be determined

    Examples:
      $ scout-probe tcp 10.244.1.31:8081
      $ scout-probe --from node-2 all 10.244.1.31 --skip dns
    "
  `)
})

test('all shows its summary and flags', async () => {
  expect(await helpOf('all')).toMatchInlineSnapshot(`
    "Usage: scout-probe all [options] <host>

    probe a host with every protocol at once and show what passes

    Probes every address of a name. The host must run a Scout agent or scout-probe
    serve: udp and http-large need their responder.

    Arguments:
      host                       address or name

    Options:
      --port <number>            TCP and UDP port of the responder (default: 8081)
      --dns-port <number>        port of the name server on the host (default: 53)
      --name <text>              name to query that name server for (default: .)
      --key <text>               secret shared by prober and responder
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --skip <protocol>          protocol to skip; may be repeated
      -c, --count <number>       number of attempts; 0 means until Ctrl-C (default:
                                 3)
      -i, --interval <duration>  time between the starts of two attempts (default:
                                 200ms)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --explain                  list what each check weighs for the named cause
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this cluster node instead
                                 of from here
      -n, --namespace <name>     namespace of Scout (default: found in the cluster)
      --service <name>           headless Service of Scout; required if a namespace
                                 has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server that needs no credentials, such as
                                 kubectl proxy

    Examples:
      $ scout-probe all 10.244.1.31 --skip dns
      $ scout-probe all 10.96.0.10 --port 9153 --name example.com
    "
  `)
})

test('serve shows its summary and flags', async () => {
  expect(await helpOf('serve')).toMatchInlineSnapshot(`
    "Usage: scout-probe serve [options]

    answer the http, tcp and udp probes of others until Ctrl-C, and dns if it has a
    port

    Options:
      --host <text>        address to listen on; :: means all addresses, IPv4 too
                           (default: ::)
      --port <number>      TCP and UDP port; 0 picks a free port (default: 8081)
      --dns-port <number>  TCP and UDP port of a name server for this host and the
                           root
      --key <text>         secret that udp probes must share to be answered
      -h, --help           display help for command

    Examples:
      $ scout-probe serve
      $ scout-probe serve --host 0.0.0.0 --port 9000 --dns-port 5353
    "
  `)
})

test('doctor shows its summary and flags', async () => {
  expect(await helpOf('doctor')).toMatchInlineSnapshot(`
    "Usage: scout-probe doctor [options]

    show the privileges of this process, how each probe is sent and timed here, and
    how to improve that

    Each ability is tested by briefly using it. Nothing is sent.

    Options:
      --json                  print only one JSON object
      -h, --help              display help for command

    Cluster options:
      --from <node>           probe from the agent on this cluster node instead of
                              from here
      -n, --namespace <name>  namespace of Scout (default: found in the cluster)
      --service <name>        headless Service of Scout; required if a namespace has
                              several
      --kubeconfig <file>     kubeconfig file (default: KUBECONFIG or
                              ~/.kube/config)
      --context <name>        context of the kubeconfig (default: the current one)
      --kube-api <url>        API server that needs no credentials, such as kubectl
                              proxy

    Examples:
      $ scout-probe doctor
      $ scout-probe doctor --json
    "
  `)
})

test('mesh shows its summary and flags', async () => {
  expect(await helpOf('mesh')).toMatchInlineSnapshot(`
    "Usage: scout-probe mesh [options]

    show the incidents of a cluster and the links between its nodes, as measured by
    its agents

    Reads the agents through the API server: only the API server must be reachable
    from here. With --prometheus it asks no agent: it reads their metrics in
    Prometheus, Thanos, Mimir or VictoriaMetrics, at any time in the past with --at.
    What the metrics do not cover is shown as unknown. Causes of failures that no
    agent reports are computed from them, and marked.

    With --wait it exits with 0 as soon as every agent has answered, each check of
    each link has a result that began after the command did, all of them pass and no
    incident is open. At the end of the wait it exits with 1 if an incident is open,
    otherwise with 4, and prints what is missing. Informational incidents do not
    count.

    Options:
      --json                     print only JSON, one object per line
      --explain                  list what each check weighs for the named cause
      --watch                    look again and again until Ctrl-C; to a file or as
                                 JSON, print only changes of incidents
      --wait <duration>          look until all is well, at most for this time, as a
                                 gate in CI
      --fail-on <choice>         incidents that fail the gate at the end of --wait;
                                 transient includes those younger than 30s: open,
                                 transient (default: open)
      -i, --interval <duration>  time between the starts of two looks, with --watch
                                 (default: 5s)
      -h, --help                 display help for command

    Prometheus options:
      --prometheus <url>         show the mesh from the metrics of its agents, in a
                                 server with the API of Prometheus
      --at <time>                time to show, or how long ago:
                                 2026-01-02T12:00:00Z, 2h (default: now)
      --label <name: value>      label that the metrics must have, such as cluster;
                                 may be repeated
      --header <name: value>     header of each request to that server, such as
                                 X-Scope-OrgID; may be repeated
      --ca <file>                certificate authority of that server, in PEM
                                 (default: those of Node)

    Cluster options:
      -n, --namespace <name>     namespace of Scout (default: found in the cluster)
      --service <name>           headless Service of Scout; required if a namespace
                                 has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server that needs no credentials, such as
                                 kubectl proxy

    Environment variables:
      SCOUT_CONSOLE_TOKEN     token of the agents (their setting console.token)
      SCOUT_PROMETHEUS_TOKEN  bearer token for --prometheus; a user and password go into its URL

    Examples:
      $ scout-probe mesh --watch --context production -n scout
      $ scout-probe mesh --prometheus https://mimir.example/prometheus --header 'X-Scope-OrgID: shop' --at 2h
    "
  `)
})

test('explain shows its summary', async () => {
  expect(await helpOf('explain')).toMatchInlineSnapshot(`
    "Usage: scout-probe explain [options] [cause]

    show what a cause means, its usual reasons and what to do, or list all causes

    Every incident of scout-probe mesh has one of these names.

    Arguments:
      cause       name of a cause; without it, all are listed

    Options:
      -h, --help  display help for command

    Examples:
      $ scout-probe explain
      $ scout-probe explain mtu-black-hole
    "
  `)
})

test('requested help and the version go to standard output, unrequested help does not', async () => {
  expect(await runCli(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' })
  expect(await runCli([])).toEqual({ code: 2, out: '', err: await helpOf() })
})
