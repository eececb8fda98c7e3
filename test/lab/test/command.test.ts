import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/requirements.ts'
import { allowTime, labNeeds } from './support/namespaces.ts'

const cli = new URL('../dist/cli.js', import.meta.url).pathname
const lab = [process.execPath, cli]

describeWith(...labNeeds)('the command', () => {
  allowTime()
  test('prints the catalogue with every parameter', async () => {
    const { status, stdout } = await run([...lab, 'faults'])
    expect(status).toBe(0)
    expect(stdout.slice(stdout.indexOf('dns-slow'), stdout.indexOf('dns-lossy'))).toMatchInlineSnapshot(`
      "dns-slow
        name servers answer late
        seen: every lookup takes that much longer; beyond 5 s resolvers ask again
        needs: dnsReplicas 1
          replica=any          number of the name server, or any
          milliseconds=700     how late the answers are

      "
    `)
  })

  test('runs a command under a fault in a lab that has what the fault needs, and ends with its status', async () => {
    const ping = ['ping', '-nc1', '-W', '0.5']
    const blocked = await run([...lab, 'run', 'overlay-blocked', '--', ...ping, '10.244.2.10'])
    expect(blocked).toMatchObject({ status: 1, stdout: expect.stringContaining('100% packet loss') })
    expect(blocked.stderr).toMatch(/^building the lab … [\d.]+ s\n/)
    expect(blocked.stderr).toMatch(/^overlay-blocked bit [1-9]\d* times$/m)
    const free = await run([...lab, 'run', 'overlay-blocked', 'to=3', '--', ...ping, '10.244.2.10'])
    expect(free).toMatchObject({ status: 0 })
  })

  test.each([
    [['run', 'udp-bloked', '--', 'true'], 'there is no fault "udp-bloked": did you mean udp-blocked?'],
    [
      ['run', 'delay', 'ms=1', '--', 'true'],
      'the fault delay has no parameter "ms": choose one of from, to, direction, vantage,',
    ],
    [['run', 'delay', 'fast', '--', 'true'], '"fast" is not a parameter: write it as key=value'],
    [['run', 'delay'], 'say after -- which command to run in pod1'],
    [
      ['run', 'delay', 'from=9', '--', 'true'],
      'no node is called "9": this lab has nodes 1 to 3 in zone-a, or say any',
    ],
    [
      ['up', '--nodes', 'many'],
      'parameter nodes of the lab: "many" is not a whole number: it must be at least 1 and at most 200',
    ],
    [['down'], "error: unknown command 'down'"],
  ])('%j is a mistake that ends with status 2', async (words, sentence) => {
    const { status, stderr } = await run([...lab, ...words])
    expect(stderr).toContain(sentence)
    expect(stderr).not.toContain('building the lab')
    expect(status).toBe(2)
  })

  test('takes commands from its input and says what it did', async () => {
    const lines = ['fault udp-blocked', 'run pod1 echo hello', 'status', 'heal fault1', 'heel', 'heal fault1', 'exit']
    const { status, stdout, stderr } = await run(
      [...lab, 'up', '--nodes', '2', '--families', 'ipv4'],
      `${lines.join('\n')}\n`,
    )
    expect(status).toBe(0)
    expect(stdout).toMatchInlineSnapshot(`
      "node1             zone-a            10.200.0.11
        pod1                              10.244.1.10
        dns1                              10.244.1.53
      node2             zone-a            10.200.0.12
        pod2                              10.244.2.10
      service echo      port 80           10.96.0.80
      service kube-dns  port 53           10.96.0.10
      fault1: udp-blocked is at work, heal fault1 takes it back
      hello
      node1             zone-a            10.200.0.11
        pod1                              10.244.1.10
        dns1                              10.244.1.53
      node2             zone-a            10.200.0.12
        pod2                              10.244.2.10
      service echo      port 80           10.96.0.80
      service kube-dns  port 53           10.96.0.10
      fault1: udp-blocked from=1 to=2 direction=both vantage=both percentage=100: bit 0 times
      fault1: udp-blocked is healed
      "
    `)
    expect(stderr.split('\n').filter((line) => !line.includes('…'))).toMatchInlineSnapshot(`
      [
        "there is no command "heel": did you mean heal?",
        "no fault "fault1" is at work: status prints those that are",
        "",
      ]
    `)
  })

  // Inside a user namespace its root may forbid further ones, as an administrator does for the machine.
  const forbidding = (command: string) => [
    'unshare',
    '-Urm',
    '--mount-proc',
    '--pid',
    '--fork',
    'sh',
    '-c',
    `echo 0 > /proc/sys/user/max_user_namespaces; ${command}`,
  ]

  test('where a tool is lacking, says which package has it', async () => {
    const hidden = 'for tool in nft nsenter setpriv; do mount --bind /dev/null "$(command -v $tool)"; done'
    const words = `${hidden}; PATH=/usr/bin:/usr/sbin:/bin:/sbin exec ${lab.join(' ')} run icmp-blocked -- true`
    const { status, stderr } = await run(['unshare', '-Urm', 'sh', '-c', words])
    expect(stderr).toMatch(/a lab needs util-linux: .*install util-linux.*, and needs nftables: .*install nftables/)
    expect(status).toBe(3)
  })

  test('where user namespaces are forbidden, root does without', async () => {
    const { status, stdout } = await run(forbidding(`${lab.join(' ')} run icmp-blocked -- cat /proc/self/uid_map`))
    expect(status).toBe(0)
    expect(stdout.trim()).toMatch(/^0\s+\d+\s+1$/)
  })

  test('where user namespaces are forbidden, the message says how to allow them', async () => {
    const powerless = 'setpriv --bounding-set=-all --inh-caps=-all'
    const { status, stderr } = await run(forbidding(`${powerless} ${lab.join(' ')} run icmp-blocked -- true`))
    expect(stderr).toContain("cannot make the lab's namespaces: unshare: unshare failed: ")
    expect(stderr).toContain('(allow them as root with: sysctl -w user.max_user_namespaces=15000)')
    expect(status).toBe(3)
  })
})

async function run([file = '', ...argv]: readonly string[], input = '') {
  const child = spawn(file, argv, { stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.end(input)
  await once(child, 'close')
  return { status: child.exitCode, stdout, stderr }
}
