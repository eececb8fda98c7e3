import { expect, test } from 'vitest'
import { listenUdp } from '../../../test/support/servers.ts'
import { runCli } from './support/run-cli.ts'

const mistakes: readonly (readonly [commandLine: string, sentence: string])[] = [
  // commands and flags
  ['tpc 127.0.0.1:80', "unknown command 'tpc': did you mean tcp?"],
  ['bittorrent 127.0.0.1:80', "unknown command 'bittorrent': see scout-probe --help"],
  ['help tpc', "unknown command 'tpc': did you mean tcp?"],
  ['bittorrent --help', "unknown command 'bittorrent': see scout-probe --help"],
  ['tcp 127.0.0.1:80 --jsn', "unknown option '--jsn': did you mean --json?"],
  ['tcp 127.0.0.1:80 --payload-bytes 64', "unknown option '--payload-bytes': see scout-probe tcp --help"],
  ['tcp', "missing required argument 'target': see scout-probe tcp --help"],
  [
    'tcp 127.0.0.1:80 127.0.0.1:81',
    "too many arguments for 'tcp', expected 1 argument but got 2: see scout-probe tcp --help",
  ],
  ['tcp 127.0.0.1:80 -4 -6', "option '-4, --ipv4' cannot be used with option '-6, --ipv6': see scout-probe tcp --help"],
  ['tcp 127.0.0.1:80 --count', "option '-c, --count <number>' argument missing: see scout-probe tcp --help"],
  // targets
  ['tcp 127.0.0.1', 'cannot probe "127.0.0.1": the port is missing: write 127.0.0.1:8081'],
  ['tcp ::1', 'cannot probe "::1": the port is missing: write [::1]:8081'],
  ['udp 127.0.0.1:', 'cannot probe "127.0.0.1:": the port is missing after the colon'],
  ['tcp 127.0.0.1:0', 'cannot probe "127.0.0.1:0": port 0 is not between 1 and 65535'],
  ['tcp 127.0.0.1:65536', 'cannot probe "127.0.0.1:65536": port 65536 is not between 1 and 65535'],
  ['tcp [::g]:80', 'cannot probe "[::g]:80": "::g" is not an IPv6 address'],
  ['icmp fd00::1::2', 'cannot probe "fd00::1::2": "fd00::1::2" is neither an address nor a host name'],
  [
    'icmp 300.1.1.1',
    'cannot probe "300.1.1.1": "300.1.1.1" is not an IPv4 address: write four numbers from 0 to 255 without leading zeros',
  ],
  ['http ftp://127.0.0.1/', 'cannot probe "ftp://127.0.0.1/": the scheme ftp is not supported: use http or https'],
  [
    'dns a..b@127.0.0.1',
    'cannot probe "a..b@127.0.0.1": "a..b" is not a DNS name: use labels of 1 to 63 characters, 253 in total',
  ],
  // values
  ['tcp 127.0.0.1:80 --timeout -1s', '--timeout: "-1s" is not a duration: a duration cannot be negative'],
  ['tcp 127.0.0.1:80 --timeout 5', '--timeout: "5" is not a duration: it has no unit: write 5ms or 5s'],
  ['tcp 127.0.0.1:80 --timeout soon', '--timeout: "soon" is not a duration: write it as 250ms, 1s or 1m30s'],
  ['tcp 127.0.0.1:80 --timeout 0s', '--timeout: "0s" is out of range: it must be more than 0s and at most 10m'],
  ['tcp 127.0.0.1:80 --interval 2h', '--interval: "2h" is out of range: it must be at least 1ms and at most 1h'],
  ['tcp 127.0.0.1:80 -c -1', '--count: -1 is out of range: it must be at least 0 and at most 1000000000'],
  [
    'tcp 127.0.0.1:80 -c 99999999999999999999',
    '--count: 100000000000000000000 is out of range: it must be at least 0 and at most 1000000000',
  ],
  ['tcp 127.0.0.1:80 -c 1.5', '--count: 1.5 is not a whole number: it must be at least 0 and at most 1000000000'],
  ['tcp 127.0.0.1:80 -c many', '--count: "many" is not a whole number: it must be at least 0 and at most 1000000000'],
  [
    'udp 127.0.0.1:80 --payload-bytes 70000',
    '--payload-bytes: 70000 is out of range: it must be at least 56 and at most 65507',
  ],
  [
    'http 127.0.0.1 --method GRT',
    '--method: "GRT" is not one of GET, HEAD, POST, PUT, DELETE, OPTIONS: did you mean GET?',
  ],
  ['dns example.com --type AAA', '--type: "AAA" is not one of A, AAAA, SRV, PTR, TXT: did you mean AAAA?'],
  ['http 127.0.0.1 --status ok', '--status: "ok" is invalid: write status codes as 200, 200-399 or 200,404'],
  ['http 127.0.0.1 --header accept', '--header: its value is not of the form "name: value"'],
  // all and serve
  ['all 127.0.0.1:80', 'cannot probe "127.0.0.1:80": "127.0.0.1:80" is neither an address nor a host name'],
  ['all 127.0.0.1 --port 0', '--port: 0 is out of range: it must be at least 1 and at most 65535'],
  ['all 127.0.0.1 --skip dnss', '--skip: there is no probe "dnss": did you mean dns?'],
  [
    'all 127.0.0.1 --name a..b',
    'cannot probe "a..b@127.0.0.1:53": "a..b" is not a DNS name: use labels of 1 to 63 characters, 253 in total',
  ],
  ['all 127.0.0.1 --skip http --skip tcp --skip syn --skip udp --skip icmp --skip dns', '--skip: no protocol is left'],
  ['serve --port 70000', '--port: 70000 is out of range: it must be at least 0 and at most 65535'],
  ['serve --port 5353 --dns-port 5353', '--dns-port: 5353 is already the port of the other probes: choose another'],
  ['serve --host here', '--host: "here" is invalid: write an address of this host, or :: or 0.0.0.0 for all of them'],
  // clusters
  ['mesh node1', "too many arguments for 'mesh', expected 0 arguments but got 1: see scout-probe mesh --help"],
  ['mesh --from node1', '--from needs a probe: write --from NODE tcp HOST:PORT'],
  ['serve --from node1', '--from needs a probe: write --from NODE tcp HOST:PORT'],
  [
    'tcp 127.0.0.1:80 --context production',
    '--context selects a cluster, but this command runs on this machine: add --from NODE',
  ],
  ['-n scout serve', '--namespace selects a cluster, but this command runs on this machine: add --from NODE'],
  ['mesh --interval 10s', '--interval needs --watch'],
  ['mesh --watch -i 100ms', '--interval: "100ms" is out of range: it must be at least 1s and at most 1h'],
  ['mesh --kube-api=', '--kube-api: its value is empty'],
  [
    'mesh --context production --kube-api http://127.0.0.1:8001',
    "option '--kube-api <url>' cannot be used with option '--context <name>': see scout-probe --help",
  ],
  [
    'tcp 127.0.0.1:80 --from node1 --kubeconfig production.yaml --kube-api http://127.0.0.1:8001',
    "option '--kube-api <url>' cannot be used with option '--kubeconfig <file>': see scout-probe --help",
  ],
  ['--from', "option '--from <node>' argument missing: see scout-probe --help"],
  ['serve 8081', "too many arguments for 'serve', expected 0 arguments but got 1: see scout-probe serve --help"],
]

test.each(mistakes)('scout-probe %s is rejected in one sentence', async (commandLine, sentence) => {
  expect(await runCli(commandLine.split(' '))).toEqual({ code: 2, out: '', err: `scout-probe: ${sentence}\n` })
})

test('nothing is sent if any part of the command line is wrong', async () => {
  let received = 0
  const server = await listenUdp(() => received++)
  const { port } = server.address()
  await runCli(['udp', `127.0.0.1:${port}`, '--payload-bytes', '1'])
  await runCli(['all', '127.0.0.1', '--port', String(port), '--name', 'a..b'])
  // Packets arrive in order, so this one would arrive after the others.
  await runCli(['udp', `127.0.0.1:${port}`, '-c', '1', '--timeout', '100ms'])
  expect(received).toBe(1)
})
