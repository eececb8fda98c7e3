import { describeMeans, type ProcessMeans, probes } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { canDropRawSockets } from '../../../../test/support/child.ts'
import { capability, nativePart, testWith } from '../../../../test/support/requirements.ts'
import { runCli } from '../support/run-cli.ts'
import { startCli } from '../support/start-cli.ts'

const rawSocketRemedy =
  'this process lacks CAP_NET_RAW (in a pod: securityContext.capabilities.add: ["NET_RAW"]; on a host: run as root)'

test('doctor has a line for each probe and each ability', async () => {
  const { out, err } = await runCli(['doctor'])
  const firstWords = out.split('\n').map((line) => /^\S*/.exec(line)?.[0])
  expect(err).toBe('')
  expect(firstWords).toEqual([
    'PROBE',
    ...Object.keys(probes),
    '',
    'ABILITY',
    'raw',
    'ping',
    'packet',
    'network',
    'receive',
    '',
  ])
})

test('doctor --json prints the diagnosis as one object', async () => {
  const { out } = await runCli(['doctor', '--json'])
  expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(describeMeans())))
})

testWith(nativePart, capability('CAP_NET_RAW'))('doctor exits with 0 where every probe can run', async () => {
  const { code, out } = await runCli(['doctor'])
  expect(code).toBe(0)
  expect(out).toMatch(/^syn +raw socket +kernel\/kernel$/m)
  expect(out).toMatch(/^icmp +raw socket +kernel\/kernel$/m)
  expect(out).toMatch(/^udp +datagram socket +kernel\/kernel$/m)
  expect(out).toMatch(/^tcp +connection +tcp-info\/tcp-info$/m)
})

describe('without privileges', () => {
  const wrapper = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw'] : []

  testWith(canDropRawSockets, nativePart)('doctor says what to change, and exits with 3', async () => {
    const cli = startCli(['doctor', '--json'], { wrapper })
    expect(await cli.exit()).toEqual({ code: 3, signal: null })
    const found = JSON.parse(cli.out()) as ProcessMeans
    expect(found.probes.find(({ protocol }) => protocol === 'syn')).toEqual({
      protocol: 'syn',
      provider: 'native',
      means: 'not permitted',
      obstacle: { reason: 'not-permitted', message: `cannot open a raw socket (tcp4): ${rawSocketRemedy}` },
    })
    const denied = found.abilities.filter(({ name }) => name === 'raw sockets' || name === 'packet observer')
    expect(denied).toEqual([
      { name: 'raw sockets', isGranted: false, found: `cannot open a raw socket: ${rawSocketRemedy}` },
      { name: 'packet observer', isGranted: false, found: `cannot observe packets: ${rawSocketRemedy}` },
    ])
  })

  testWith(canDropRawSockets)('doctor names the probe that cannot run', async () => {
    const cli = startCli(['doctor'], { wrapper })
    expect(await cli.exit()).toEqual({ code: 3, signal: null })
    expect(cli.out()).toMatch(/^syn +not (permitted|supported) +- +\S/m)
  })
})
