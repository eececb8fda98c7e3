import { probes } from '@scout/core'
import { expect, test } from 'vitest'
import { runCli } from './support/run-cli.ts'

async function helpOf(...argv: readonly string[]): Promise<string> {
  const { code, out, err } = await runCli([...argv, '--help'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return out
}

test('the program says what it can do', async () => {
  expect(await helpOf()).toMatchInlineSnapshot(`
    "Usage: scout-probe [options] [command]

    Probe a network path by hand, with every protocol Scout knows.

    Options:
      -V, --version           output the version number
      -h, --help              display help for command

    Cluster options:
      --from <node>           probe from the agent on this node of a cluster, not
                              from here
      -n, --namespace <name>  namespace of Scout (default: the one that runs it)
      --service <name>        headless Service of Scout; required where a namespace
                              has several
      --kubeconfig <file>     kubeconfig file (default: KUBECONFIG or
                              ~/.kube/config)
      --context <name>        context of the kubeconfig (default: the current one)
      --kube-api <url>        API server without credentials: that of kubectl proxy

    Commands:
      http <target>           make one HTTP request over a new connection and time
                              each phase
      tcp <target>            time a TCP handshake
      syn <target>            time a half-open TCP handshake, which the application
                              never sees: open, closed or filtered
      udp <target>            send a datagram to a Scout responder and time the
                              reply
      icmp <target>           send an ICMP echo request and time the reply
      dns <target>            send one query to one name server and time the answer
      all <host>              probe a host with every protocol at once and show what
                              passes
      serve                   answer the probes of others until Ctrl-C
      doctor                  show what this process may do and how well it can
                              measure
      mesh                    show the links between the nodes of a cluster, as its
                              agents see them
      help <command>          display help for command

    Exit codes:
      0  all ok
      1  a probe or a link failed, or there was no result
      2  wrong usage; nothing was sent
      3  not permitted or not supported here

    Examples:
      $ scout-probe tcp 10.244.1.31:8081
      $ scout-probe --from node-2 all 10.244.1.31 --skip dns
    "
  `)
})

test('http says what it does and takes', async () => {
  expect(await helpOf('http')).toMatchInlineSnapshot(`
    "Usage: scout-probe http [options] <target>

    make one HTTP request over a new connection and time each phase

    Arguments:
      target                     URL (default scheme: http)

    Options:
      --method <choice>          request method: GET, HEAD, POST, PUT, DELETE,
                                 OPTIONS (default: GET)
      --header <name: value>     request headers; may be repeated
      --status <text>            status codes that count as success; redirects are
                                 not followed (default: 200-399)
      --send-bytes <number>      size of the request body (default: 0)
      --keep-bytes <number>      number of bytes of the response body to keep in the
                                 result (default: 0)
      --observe                  measure the phases with a packet observer (with
                                 https: only connect); needs CAP_NET_RAW
      --no-verify                do not verify the server certificate
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      -c, --count <number>       attempts; 0 goes on until Ctrl-C (default: 4)
      -i, --interval <duration>  time from one attempt to the next (default: 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print one JSON object a line, and nothing else
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this node of a cluster, not
                                 from here
      -n, --namespace <name>     namespace of Scout (default: the one that runs it)
      --service <name>           headless Service of Scout; required where a
                                 namespace has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server without credentials: that of kubectl
                                 proxy

    Phases:
      connect   SYN sent to SYN-ACK received
      tls       TLS handshake (https only)
      write     connection ready to last byte of the request passed to the kernel
      server    request written to first byte of the response
      transfer  first to last byte of the response

    Clocks:
      kernel    stamps the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      stamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe http http://10.244.1.31:8081/
      $ scout-probe http https://kubernetes.default.svc/readyz -c 0 -i 200ms
    "
  `)
})

test('tcp says what it does and takes', async () => {
  expect(await helpOf('tcp')).toMatchInlineSnapshot(`
    "Usage: scout-probe tcp [options] <target>

    time a TCP handshake

    Arguments:
      target                     host:port

    Options:
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      -c, --count <number>       attempts; 0 goes on until Ctrl-C (default: 4)
      -i, --interval <duration>  time from one attempt to the next (default: 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print one JSON object a line, and nothing else
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this node of a cluster, not
                                 from here
      -n, --namespace <name>     namespace of Scout (default: the one that runs it)
      --service <name>           headless Service of Scout; required where a
                                 namespace has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server without credentials: that of kubectl
                                 proxy

    Phases:
      connect  SYN sent to SYN-ACK received

    Clocks:
      kernel    stamps the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      stamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe tcp 10.244.1.31:8081
      $ scout-probe tcp '[fd00:10:244:1::31]:8081' -c 0 -i 200ms
    "
  `)
})

test('udp says what it does and takes', async () => {
  expect(await helpOf('udp')).toMatchInlineSnapshot(`
    "Usage: scout-probe udp [options] <target>

    send a datagram to a Scout responder and time the reply

    Arguments:
      target                     host:port

    Options:
      --payload-bytes <number>   size of the UDP payload; sent in fragments if the
                                 packet exceeds the MTU (default: 64)
      --key <text>               secret shared by prober and responder
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      -c, --count <number>       attempts; 0 goes on until Ctrl-C (default: 4)
      -i, --interval <duration>  time from one attempt to the next (default: 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print one JSON object a line, and nothing else
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this node of a cluster, not
                                 from here
      -n, --namespace <name>     namespace of Scout (default: the one that runs it)
      --service <name>           headless Service of Scout; required where a
                                 namespace has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server without credentials: that of kubectl
                                 proxy

    Phases:
      echo  datagram sent to reply received

    Clocks:
      kernel    stamps the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      stamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe udp 10.244.1.31:8081
      $ scout-probe udp '[fd00:10:244:1::31]:8081' -c 0 -i 200ms
    "
  `)
})

test('icmp says what it does and takes', async () => {
  expect(await helpOf('icmp')).toMatchInlineSnapshot(`
    "Usage: scout-probe icmp [options] <target>

    send an ICMP echo request and time the reply

    Arguments:
      target                     address or name

    Options:
      --payload-bytes <number>   bytes after the ICMP header; 56 results in 84-byte
                                 packets over IPv4, as with ping (default: 56)
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      -c, --count <number>       attempts; 0 goes on until Ctrl-C (default: 4)
      -i, --interval <duration>  time from one attempt to the next (default: 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print one JSON object a line, and nothing else
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this node of a cluster, not
                                 from here
      -n, --namespace <name>     namespace of Scout (default: the one that runs it)
      --service <name>           headless Service of Scout; required where a
                                 namespace has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server without credentials: that of kubectl
                                 proxy

    Phases:
      echo  echo request sent to echo reply received

    Clocks:
      kernel    stamps the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      stamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe icmp 10.244.1.31
      $ scout-probe icmp fd00:10:244:1::31 -c 0 -i 200ms
    "
  `)
})

test('dns says what it does and takes', async () => {
  expect(await helpOf('dns')).toMatchInlineSnapshot(`
    "Usage: scout-probe dns [options] <target>

    send one query to one name server and time the answer

    Arguments:
      target                     name, or name@server (default server: the first in
                                 /etc/resolv.conf)

    Options:
      --type <choice>            record type; with PTR the name may be an address:
                                 A, AAAA, SRV, PTR, TXT (default: A)
      --transport <choice>       UDP, or a new TCP connection: udp, tcp (default:
                                 udp)
      --no-recursion             do not request recursion (flag RD)
      --edns-bytes <number>      largest accepted UDP answer (EDNS); 0 disables EDNS
                                 (default: 1232)
      --rcode <choice>           response code that counts as success: NOERROR,
                                 FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED,
                                 YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE
                                 (default: NOERROR)
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      -c, --count <number>       attempts; 0 goes on until Ctrl-C (default: 4)
      -i, --interval <duration>  time from one attempt to the next (default: 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print one JSON object a line, and nothing else
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this node of a cluster, not
                                 from here
      -n, --namespace <name>     namespace of Scout (default: the one that runs it)
      --service <name>           headless Service of Scout; required where a
                                 namespace has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server without credentials: that of kubectl
                                 proxy

    Phases:
      connect  TCP handshake with the server (transport tcp only)
      query    query sent to answer received

    Clocks:
      kernel    stamps the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      stamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe dns kubernetes.default.svc.cluster.local
      $ scout-probe dns kubernetes.default.svc.cluster.local@10.96.0.10 -c 0 -i 200ms
    "
  `)
})

test('all says what it does and takes', async () => {
  expect(await helpOf('all')).toMatchInlineSnapshot(`
    "Usage: scout-probe all [options] <host>

    probe a host with every protocol at once and show what passes

    The host must run a Scout agent or scout-probe serve: only these answer udp and
    http-large.

    Arguments:
      host                       address or name

    Options:
      --port <number>            TCP and UDP port of the responder (default: 8081)
      --dns-port <number>        port of the name server on the host (default: 53)
      --name <text>              name to ask that name server for (default: .)
      --key <text>               shared secret of prober and responder
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --skip <protocol>          leave a protocol out; may be repeated
      -c, --count <number>       attempts; 0 goes on until Ctrl-C (default: 3)
      -i, --interval <duration>  time from one attempt to the next (default: 200ms)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print one JSON object a line, and nothing else
      -h, --help                 display help for command

    Cluster options:
      --from <node>              probe from the agent on this node of a cluster, not
                                 from here
      -n, --namespace <name>     namespace of Scout (default: the one that runs it)
      --service <name>           headless Service of Scout; required where a
                                 namespace has several
      --kubeconfig <file>        kubeconfig file (default: KUBECONFIG or
                                 ~/.kube/config)
      --context <name>           context of the kubeconfig (default: the current
                                 one)
      --kube-api <url>           API server without credentials: that of kubectl
                                 proxy

    Examples:
      $ scout-probe all 10.244.1.31 --skip dns
      $ scout-probe all 10.96.0.10 --port 9153 --name example.com
    "
  `)
})

test('serve says what it does and takes', async () => {
  expect(await helpOf('serve')).toMatchInlineSnapshot(`
    "Usage: scout-probe serve [options]

    answer the http, tcp and udp probes of others until Ctrl-C, and dns where a port
    for it is given

    Options:
      --host <text>        address to listen on; :: is every address, IPv4 too
                           (default: ::)
      --port <number>      TCP and UDP port; 0 lets the system choose (default:
                           8081)
      --dns-port <number>  TCP and UDP port of a name server for this host and the
                           root
      --key <text>         answer only udp probes that have this shared secret
      -h, --help           display help for command

    Examples:
      $ scout-probe serve
      $ scout-probe serve --host 0.0.0.0 --port 9000 --dns-port 5353
    "
  `)
})

test('doctor says what it does and takes', async () => {
  expect(await helpOf('doctor')).toMatchInlineSnapshot(`
    "Usage: scout-probe doctor [options]

    show what this process may do, how each probe is sent and timed here, and what
    to change to improve it

    Everything is tried and undone at once. Nothing is sent.

    Options:
      --json                  print one JSON object, and nothing else
      -h, --help              display help for command

    Cluster options:
      --from <node>           probe from the agent on this node of a cluster, not
                              from here
      -n, --namespace <name>  namespace of Scout (default: the one that runs it)
      --service <name>        headless Service of Scout; required where a namespace
                              has several
      --kubeconfig <file>     kubeconfig file (default: KUBECONFIG or
                              ~/.kube/config)
      --context <name>        context of the kubeconfig (default: the current one)
      --kube-api <url>        API server without credentials: that of kubectl proxy

    Examples:
      $ scout-probe doctor
      $ scout-probe doctor --json
    "
  `)
})

test('every probe of the registry has a command, and every help screen fits 80 columns and ends with two examples', async () => {
  for (const command of [...Object.keys(probes), 'all', 'serve', 'doctor']) {
    const lines = (await helpOf(command)).trimEnd().split('\n')
    expect(lines.at(-3)).toBe('Examples:')
    expect(lines.slice(-2).every((line) => line.startsWith(`  $ scout-probe ${command}`))).toBe(true)
    expect(Math.max(...lines.slice(0, -2).map((line) => line.length))).toBeLessThanOrEqual(80)
  }
})

test('help and version are on standard output, and help that nobody asked for is not', async () => {
  expect(await runCli(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' })
  expect(await runCli([])).toEqual({ code: 2, out: '', err: await helpOf() })
})

test('mesh says what it does and takes', async () => {
  expect(await helpOf('mesh')).toMatchInlineSnapshot(`
    "Usage: scout-probe mesh [options]

    show the links between the nodes of a cluster, as its agents see them

    The agents are asked through the API server: only the API server must be
    reachable from here.

    Options:
      --json                  print one JSON object a line, and nothing else
      -h, --help              display help for command

    Cluster options:
      -n, --namespace <name>  namespace of Scout (default: the one that runs it)
      --service <name>        headless Service of Scout; required where a namespace
                              has several
      --kubeconfig <file>     kubeconfig file (default: KUBECONFIG or
                              ~/.kube/config)
      --context <name>        context of the kubeconfig (default: the current one)
      --kube-api <url>        API server without credentials: that of kubectl proxy

    Examples:
      $ scout-probe mesh
      $ scout-probe mesh --context production -n scout
    "
  `)
})
