import { expect } from 'vitest'
import { namespaces, unshare } from '../../../test/support/child.ts'
import { testWith } from '../../../test/support/requirements.ts'
import { startCli } from './support/start-cli.ts'

/** A link between two interfaces of one network: what goes to an address of the second through the first takes it. */
const setup = [
  'ip link set lo up',
  'ip link add near type veth peer name far',
  'ip address add fe80::5/64 dev near nodad',
  'ip address add fe80::6/64 dev far nodad',
  'ip link set near up',
  'ip link set far up',
].join(' && ')

testWith('ip', namespaces)(
  'all probes a link-local address by the name and by the index of its interface',
  async () => {
    const server = startCli(['serve', '--host', '::', '--port', '8081', '--dns-port', '5353'], {
      wrapper: [...unshare, 'sh', '-c', `${setup} && exec "$@"`, 'sh'],
    })
    await server.waitFor('dns at')
    const wrapper = ['nsenter', '-t', String(server.process.pid), '--user', '--preserve-credentials', '--net']
    for (const zone of ['near', '3']) {
      const cli = startCli(['all', `fe80::6%${zone}`, '-c', '1', '--dns-port', '5353'], { wrapper })
      const { code } = await cli.exit()
      expect({ code, err: cli.err() }).toEqual({ code: 0, err: '' })
      for (const check of [
        'http',
        'http-large',
        'tcp',
        'syn',
        'udp',
        'udp-large',
        'icmp',
        'icmp-large',
        'dns',
        'dns-tcp',
      ])
        expect(cli.out()).toMatch(new RegExp(`^${check} .* 1/1 `, 'm'))
    }
    const cli = startCli(['all', 'fe80::6%other', '-c', '1', '--dns-port', '5353'], { wrapper })
    expect(await cli.exit()).toMatchObject({ code: 1 })
    expect(cli.out()).toContain('there is no interface other here')
  },
)
