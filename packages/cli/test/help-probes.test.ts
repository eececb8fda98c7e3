import { probes } from '@scout/core'
import { expect, test } from 'vitest'
import { helpOf } from './support/run-cli.ts'

test('http shows its summary and flags', async () => {
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
      --expect-bytes <number>    size that the response body must have
      --expect-filler            require the bytes of a responder's /bytes as the
                                 response body
      --max-bytes <number>       limit of the response as transferred; a longer one
                                 fails as bad-reply (default: 4194304)
      --observe                  measure the phases with a packet observer (with
                                 https: only connect); needs CAP_NET_RAW
      --ca <text>                file with the certificates (PEM) of the authorities
                                 to trust, or "system" for the store of this host
                                 (default: those that Node was built with, and those
                                 in the file that NODE_EXTRA_CA_CERTS named when the
                                 process started)
      --server-name <text>       name that the TLS handshake asks for and the
                                 certificate must match (default: the host of the
                                 URL)
      --insecure                 accept any server certificate
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --address <text>           address to probe instead of the one that the name
                                 resolves to
      -c, --count <number>       number of attempts; 0 means until Ctrl-C (default:
                                 4)
      -i, --interval <duration>  time between the starts of two attempts (default:
                                 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --all-addresses            probe every address of a name, not only the first
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

    Phases:
      connect   SYN sent to SYN-ACK received
      tls       TLS handshake (https only)
      write     connection ready to last byte of the request sent
      server    request sent to first byte of the response that is not 1xx
      transfer  first to last byte of that response

    Clocks:
      kernel    timestamps that the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      timestamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe http http://10.244.1.31:8081/
      $ scout-probe http https://example.com/ -c 0 -i 200ms
    "
  `)
})

test('tcp shows its summary and flags', async () => {
  expect(await helpOf('tcp')).toMatchInlineSnapshot(`
    "Usage: scout-probe tcp [options] <target>

    time a TCP handshake, and the answer of a service

    Arguments:
      target                     host:port

    Options:
      --send <text>              what to send once connected: text with \\r, \\n, \\t,
                                 \\0, \\\\ and \\xHH, or hex:0d0a; an answer is then
                                 awaited
      --expect <text>            what the first 4096 bytes of the answer must
                                 contain: as send, or a regular expression (/^220
                                 /i)
      --flows <number>           connections to open at once, each from another
                                 source port, which the kernel chooses: an attempt
                                 succeeds if all open, and names the ports of those
                                 that do not; not used with send or expect (default:
                                 1)
      --keep                     send over one connection in all attempts of a
                                 series, and only with send; where it no longer
                                 passes packets while a new one does, fail as
                                 flow-dropped
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --address <text>           address to probe instead of the one that the name
                                 resolves to
      -c, --count <number>       number of attempts; 0 means until Ctrl-C (default:
                                 4)
      -i, --interval <duration>  time between the starts of two attempts (default:
                                 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --all-addresses            probe every address of a name, not only the first
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

    Phases:
      connect  SYN sent to SYN-ACK received
      answer   last byte sent (or connection ready) to expected answer received

    Clocks:
      kernel    timestamps that the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      timestamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe tcp 10.244.1.31:8081
      $ scout-probe tcp '[fd00:10:244:1::31]:8081' -c 0 -i 200ms
    "
  `)
})

test('udp shows its summary and flags', async () => {
  expect(await helpOf('udp')).toMatchInlineSnapshot(`
    "Usage: scout-probe udp [options] <target>

    send a packet to a Scout responder or any other STAMP reflector, or a datagram
    to any UDP service, and time the answer

    Arguments:
      target                     host:port

    Options:
      --payload-bytes <number>   size of the UDP payload; larger where a key, a DSCP
                                 or timestamps need it, which together take 180;
                                 sent in fragments if the packet exceeds the MTU
                                 (default: 64)
      --key <text>               secret shared by prober and reflector: packets are
                                 authenticated
      --light                    the reflector is one of TWAMP Light, or of STAMP
                                 without extensions (RFC 8972): its answer need not
                                 bring back the payload
      --dscp <number>            DSCP to send with; the result says with which one
                                 packets arrive at the reflector and return, and
                                 which way changes it (default: packets are not
                                 marked)
      --timestamps               ask the reflector what stamps its packets
                                 (hardware, software or control-plane; of Scout,
                                 software is the kernel and control-plane the
                                 process), what its clock follows, and when its
                                 previous answer left: results then say how long its
                                 host held the previous packet of the series
      --flows <number>           source ports to send from at once, one packet each:
                                 an attempt succeeds if all are answered, and names
                                 those that are not (default: 1)
      --volley <number>          packets to send together from one source port; the
                                 result says how many are overtaken on which way
                                 and, of eight or more large ones, how far a slow
                                 line spreads them; one answer is a success; dscp,
                                 timestamps and flows are not used then (default: 1)
      --keep                     send from one source port in all attempts of a
                                 series; flows and volley are not used then; where
                                 it no longer passes packets while a new one does,
                                 fail as flow-dropped
      --plain                    the target is an echo server (RFC 862), which sends
                                 back what it is sent; key, dscp, timestamps, flows,
                                 volley, keep, send and expect are not used then
      --send <text>              datagram for a service other than a reflector: text
                                 with escapes (\\r, \\n, \\x00), or hex: and bytes;
                                 payload size, key, dscp, timestamps, flows, volley
                                 and keep are not used then
      --expect <text>            what the answer of such a service must contain:
                                 text, hex: and bytes, or /a regular expression/
                                 (default: any answer)
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --address <text>           address to probe instead of the one that the name
                                 resolves to
      -c, --count <number>       number of attempts; 0 means until Ctrl-C (default:
                                 4)
      -i, --interval <duration>  time between the starts of two attempts (default:
                                 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --all-addresses            probe every address of a name, not only the first
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

    Phases:
      echo  packet sent to answer received, less the time at the reflector

    Clocks:
      kernel    timestamps that the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      timestamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe udp 10.244.1.31:8081
      $ scout-probe udp '[fd00:10:244:1::31]:8081' -c 0 -i 200ms
    "
  `)
})

test('icmp shows its summary and flags', async () => {
  expect(await helpOf('icmp')).toMatchInlineSnapshot(`
    "Usage: scout-probe icmp [options] <target>

    send an ICMP echo request and time the reply

    Arguments:
      target                     address or name

    Options:
      --payload-bytes <number>   bytes after the ICMP header; 56 results in 84-byte
                                 packets over IPv4, as with ping (default: 56)
      --dont-fragment <choice>   DF: on sends in one piece, whatever this host
                                 assumes to pass; off lets hosts and routers
                                 fragment (default: the kernel decides): on, off
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --address <text>           address to probe instead of the one that the name
                                 resolves to
      -c, --count <number>       number of attempts; 0 means until Ctrl-C (default:
                                 4)
      -i, --interval <duration>  time between the starts of two attempts (default:
                                 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --all-addresses            probe every address of a name, not only the first
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

    Phases:
      echo  echo request sent to echo reply received

    Clocks:
      kernel    timestamps that the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      timestamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe icmp 10.244.1.31
      $ scout-probe icmp fd00:10:244:1::31 -c 0 -i 200ms
    "
  `)
})

test('dns shows its summary and flags', async () => {
  expect(await helpOf('dns')).toMatchInlineSnapshot(`
    "Usage: scout-probe dns [options] <target>

    query one name server and time the answer

    Arguments:
      target                     name, or name@server (default server: the first in
                                 /etc/resolv.conf; scout-probe asks each)

    Options:
      --type <choice>            record type; with PTR the name may be an address:
                                 A, AAAA, SRV, PTR, TXT (default: A)
      --transport <choice>       UDP, with a retry over TCP if the answer is
                                 truncated, or a new TCP connection: udp, tcp
                                 (default: udp)
      --no-require-tcp           do not fail if the server refuses TCP, also if it
                                 has never answered over it
      --parallel                 query A and AAAA together from a new source port,
                                 as getaddrinfo does, and fail if one has no answer;
                                 replaces the type
      --search                   query the names that the resolver of this host
                                 would, by search domains and ndots of
                                 /etc/resolv.conf, until one has a record
      --keep                     query from one socket in all attempts of a series,
                                 over UDP and not in parallel; where it no longer
                                 passes packets while a new one does, fail as
                                 flow-dropped
      --no-recursion             do not request recursion (flag RD)
      --edns-bytes <number>      largest accepted UDP answer (EDNS); 0 disables EDNS
                                 (default: 1232)
      --no-random-case           do not write the name in random case over UDP,
                                 which a forged answer cannot repeat
      --rcode <choice>           response code that counts as success: NOERROR,
                                 FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED,
                                 YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE,
                                 BADVERS, BADCOOKIE (default: NOERROR)
      --no-require-answer        do not fail if an answer with rcode NOERROR has no
                                 record of that type and name (NODATA)
      --content <text>           regular expression that the data of a record must
                                 match, such as ^10\\.96\\. (default: any)
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --address <text>           address to probe instead of the one that the name
                                 resolves to
      -c, --count <number>       number of attempts; 0 means until Ctrl-C (default:
                                 4)
      -i, --interval <duration>  time between the starts of two attempts (default:
                                 1s)
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --all-addresses            probe every address of a name, not only the first
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

    Phases:
      query    query sent to answer received, the last of several
      connect  TCP handshake with the server
      retry    query repeated over TCP to answer received

    Clocks:
      kernel    timestamps that the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      timestamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe dns kubernetes.default.svc.cluster.local
      $ scout-probe dns kubernetes.default.svc.cluster.local@10.96.0.10 -c 0 -i 200ms
    "
  `)
})

test('trace shows its summary and flags', async () => {
  expect(await helpOf('trace')).toMatchInlineSnapshot(`
    "Usage: scout-probe trace [options] <target>

    find the routers on the way to a target, with the loss, times and MTU of each

    Arguments:
      target                     address or name, or host:port

    Options:
      --transport <choice>       packets to send; any is SYNs of TCP to a target
                                 with a port and ICMP echo requests to one without,
                                 or UDP if this process may send neither: any, icmp,
                                 udp, tcp (default: any)
      --flows <number>           flows to trace side by side; each keeps its ports
                                 and checksum, so routers send all of its packets
                                 the same way (default: 1)
      -c, --count <number>       packets of each flow to each hop (default: 3)
      -i, --interval <duration>  time between two packets of a flow to a hop
                                 (default: 100ms)
      --max-hops <number>        largest TTL or hop limit (default: 30)
      --wait <duration>          time to wait for the answer of a hop (default: 1s)
      --payload-bytes <number>   bytes after the header of ICMP or UDP, not to be
                                 fragmented; where they do not fit, the MTU is
                                 reported and the trace goes on with as many as fit
                                 (default: as few as possible)
      --timeout <duration>       timeout of an attempt; 3.5 s allows for two
                                 retransmitted SYNs (RFC 6298: after 1 s and 3 s)
                                 (default: 3.5s)
      --address <text>           address to probe instead of the one that the name
                                 resolves to
      -4, --ipv4                 resolve names to IPv4 addresses only
      -6, --ipv6                 resolve names to IPv6 addresses only
      --json                     print only JSON, one object per line
      --all-addresses            probe every address of a name, not only the first
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

    Phases:
      trace  first packet sent to the last answer received or given up

    Clocks:
      kernel    timestamps that the kernel put on the packets
      tcp-info  the kernel's own round-trip estimate of the connection
      user      timestamps of this process, which include its wait for the CPU

    Examples:
      $ scout-probe trace 10.244.1.31
      $ scout-probe trace 10.244.1.31:8081 --json
    "
  `)
})

test('every probe of the registry has a command, and every help screen fits 80 columns and ends with two examples', async () => {
  for (const command of [...Object.keys(probes), 'all', 'serve', 'doctor', 'explain']) {
    const lines = (await helpOf(command)).trimEnd().split('\n')
    expect(lines.at(-3)).toBe('Examples:')
    expect(lines.slice(-2).every((line) => line.startsWith(`  $ scout-probe ${command}`))).toBe(true)
    expect(Math.max(...lines.slice(0, -2).map((line) => line.length))).toBeLessThanOrEqual(80)
  }
})
