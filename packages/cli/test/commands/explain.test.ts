import { awaited, causes, Fact } from '@scout/core'
import { expect, test } from 'vitest'
import { runCli } from '../support/run-cli.ts'

test('explain shows what a cause means and what to do', async () => {
  const { code, out, err } = await runCli(['explain', 'family-broken'], { terminalColumns: 80 })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatchInlineSnapshot(`
    "family-broken, critical
      One IP version does not get through, while the other does.

    Shows
      Everything over IPv6 (or IPv4) is silent or unreachable, and passes over the
      other.
      Agents find the last router that answers to packets of the protocol that
      fails, in 8 flows unless that is UDP.

    Usual reasons
      - firewall rules for one family only: ip6tables policy DROP, or ICMPv6
        blocked, so that neighbours are not found
      - routes or tunnels of one family are missing: Calico has vxlan.calico and
        vxlan-v6.calico, Flannel needs EnableIPv6, Cilium ipv6.enabled
      - AWS: security groups have IPv4 and IPv6 rules apart; Azure and Google Cloud:
        the subnet has no IPv6 range
      - forwarding is off: net.ipv6.conf.all.forwarding

    What to do
      Compare ip -6 route, ip6tables and sysctls between a working node and this
      one.
    "
  `)
})

test('explain says which evidence a cause waits for', async () => {
  const { out } = await runCli(['explain', 'accept-queue-full'])
  expect(out).toContain(`it waits for ${awaited.counters}.`)
})

test('explain lists all causes, a line each', async () => {
  const { code, out } = await runCli(['explain'])
  const names = out.split('\n').map((line) => /^\S*/.exec(line)?.[0])
  expect(code).toBe(0)
  expect(names).toEqual(['CAUSE', ...causes.map(({ name }) => name), 'unexplained', ''])
})

test.each([
  ['mtu-blackhole', 'did you mean mtu-black-hole?'],
  ['gremlins', 'scout-probe explain lists all causes'],
])('explain %s names the nearest cause', async (name, hint) => {
  expect(await runCli(['explain', name])).toEqual({
    code: 2,
    out: '',
    err: `scout-probe: unknown cause '${name}': ${hint}\n`,
  })
})

test('the command that a finding says to type next is one that scout-probe has', async () => {
  const known = { target: '10.244.2.5:8081', symptom: 'silent', sinceMs: 0, lastMs: 1, trials: 3 } as const
  const failing = new Fact(
    { check: 'udp', protocol: 'udp', path: 'pod', vantage: 'pod' },
    { from: 'node1', to: { kind: 'node', name: 'node2' }, ...known },
  )
  const scope = { kind: 'link', from: 'node1', to: 'node2' } as const
  const variant = { id: 'all', lines: [] }
  const said = {
    scope,
    direction: 'both',
    where: 'node1 <-> node2',
    variant,
    failing: [failing],
    collected: [],
    passing: [],
  } as const
  const commands = causes.map((cause) => cause.next(said)).filter((next) => next.startsWith('scout-probe '))
  expect(commands.length).toBeGreaterThan(10)
  for (const command of new Set(commands)) {
    const [name = ''] = command.replace(/^scout-probe (?:--from \S+ )?/, '').split(' ')
    const { code, out } = await runCli([name, '--help'])
    expect([command, code]).toEqual([command, 0])
    for (const [flag] of command.matchAll(/--\w[\w-]*/g)) expect(`${out} --from`).toContain(flag)
  }
})
