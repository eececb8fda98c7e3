import { probes, type TargetForm } from '@scout/core'
import { describe, expect, test } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { answerBare, answerStatus, hang, startApiDouble } from '../../../agent/test/support/api-double.ts'
import type { Played } from '../../../agent/test/support/exec-double.ts'
import { writeKubeconfig } from '../../../agent/test/support/kubeconfig.ts'
import { endpoint, endpointSlice } from '../../../agent/test/support/slices.ts'
import { startFakeCluster } from '../support/fake-cluster.ts'
import { runCli } from '../support/run-cli.ts'

const nodes = ['node1', 'node2', 'node3']

/** Starts a cluster whose pods run `program`; returns its processes and the flags to reach it. */
async function startCluster(program: (played: Played) => void = (played) => played.exit(0)) {
  const api = await startFakeCluster({ nodes })
  const started: Played[] = []
  api.run((played) => {
    started.push(played)
    program(played)
  })
  return { api, started, from: (node: string) => ['--from', node, '--kube-api', api.server] }
}

const remark = 'from node2, by pod scout-on-node2 in namespace scout\n'

describe('--from', () => {
  test('runs the probe in the agent of that node, and passes on its output and exit code', async () => {
    const { started, from } = await startCluster((played) => {
      played.print('stdout', 'tcp probe of 10.0.0.1:80\n')
      played.print('stderr', 'a remark\n')
      played.exit(1)
    })
    expect(await runCli([...from('node2'), 'tcp', '10.0.0.1:80', '-c', '3', '--timeout=1s'])).toEqual({
      code: 1,
      out: 'tcp probe of 10.0.0.1:80\n',
      err: `${remark}a remark\n`,
    })
    expect(started).toMatchObject([
      {
        path: '/api/v1/namespaces/scout/pods/scout-on-node2/exec',
        container: 'agent',
        command: 'env SCOUT_PROBE_ENDS_WITH_INPUT=1 NO_COLOR=1 scout-probe tcp 10.0.0.1:80 -c 3 --timeout=1s'.split(
          ' ',
        ),
      },
    ])
  })

  test.each([
    ['before the command', (flags: readonly string[]) => [...flags, 'udp', '10.0.0.1:8081', '-c', '1']],
    ['after it', (flags: readonly string[]) => ['udp', '10.0.0.1:8081', '-c', '1', ...flags]],
    ['in its midst', (flags: readonly string[]) => ['udp', ...flags, '10.0.0.1:8081', '-c', '1']],
  ])('may stand %s, with all that says which cluster is meant', async (_, place) => {
    const { started, from } = await startCluster()
    expect(await runCli(place([...from('node1'), '-nscout', '--service=scout']))).toMatchObject({ code: 0 })
    expect(started[0]?.command.slice(4)).toEqual(['udp', '10.0.0.1:8081', '-c', '1'])
  })

  test('works for all, and for targets that only that node can resolve', async () => {
    const { started, from } = await startCluster()
    await runCli([...from('node3'), 'all', 'scout.example', '--skip', 'dns'])
    await runCli([...from('node3'), 'dns', 'scout.example'])
    expect(started.map(({ command }) => command.slice(4))).toEqual([
      ['all', 'scout.example', '--skip', 'dns'],
      ['dns', 'scout.example'],
    ])
  })

  const targets: Readonly<Record<TargetForm, string>> = {
    host: '10.0.0.1',
    'host:port': '10.0.0.1:80',
    'host[:port]': '10.0.0.1:80',
    url: 'http://10.0.0.1/',
    'name@server': 'scout.example',
  }

  test.each([
    ...Object.values(probes).map(({ protocol, targetForm }) => [protocol, targets[targetForm]]),
    ['all', '10.0.0.1'],
    ['doctor'],
  ])('is heeded by %s', async (...argv) => {
    const { started, from } = await startCluster()
    expect(await runCli([...from('node1'), ...argv])).toMatchObject({ code: 0, out: '' })
    expect(started[0]?.command.slice(4)).toEqual(argv)
  })

  test('prints only the output of the probe with --json', async () => {
    const { from } = await startCluster((played) => {
      played.print('stdout', '{"ok":true}\n')
      played.exit(0)
    })
    expect(await runCli([...from('node2'), 'tcp', '10.0.0.1:80', '--json'])).toEqual({
      code: 0,
      out: '{"ok":true}\n',
      err: '',
    })
  })

  test('passes the width of this terminal to the probe', async () => {
    const { started, from } = await startCluster()
    await runCli([...from('node2'), 'tcp', '10.0.0.1:80'], { terminalColumns: 72 })
    expect(started[0]?.command).toContain('COLUMNS=72')
  })

  test('passes output on as it arrives, without splitting characters', async () => {
    const euro = Buffer.from('€')
    const { from } = await startCluster((played) => {
      played.print('stdout', euro.subarray(0, 1))
      played.print('stderr', '…')
      played.print('stdout', euro.subarray(1))
      played.exit(0)
    })
    const { out } = await runCli([...from('node2'), 'tcp', '10.0.0.1:80'])
    expect(out).toBe('€')
  })

  test('ends the probe on Ctrl-C, and shows its remaining output', async () => {
    const { started, from } = await startCluster((played) => {
      played.print('stdout', 'seq=1\n')
      played.onInput(() => {
        if (played.isCutOff()) return
        played.print('stdout', '--- statistics ---\n')
        played.exit(0)
      })
    })
    const finished = await runCli([...from('node2'), 'tcp', '10.0.0.1:80', '-c', '0'], {
      onOutput(text, end) {
        if (text.includes('seq=1')) end()
      },
    })
    expect(finished).toEqual({ code: 0, out: 'seq=1\n--- statistics ---\n', err: remark })
    expect(started[0]?.input()).toBe('\x03')
  })

  test('prefers a ready agent if a node has several', async () => {
    const { api, started, from } = await startCluster()
    const second = endpoint('second', ['10.244.9.9'], { nodeName: 'node2' })
    api.set(endpointSlice('more', [{ ...second, conditions: { serving: false } }]))
    await runCli([...from('node2'), 'tcp', '10.0.0.1:80'])
    api.set(endpointSlice('scout-4', []))
    api.set(endpointSlice('scout-6', []))
    const { err } = await runCli([...from('node2'), 'tcp', '10.0.0.1:80'])
    expect(started.map(({ path }) => path.split('/').at(-2))).toEqual(['scout-on-node2', 'second'])
    expect(err).toBe('from node2, by pod second in namespace scout, which is starting\n')
  })

  testWith('openssl')('goes by kubeconfig and context', async () => {
    const tls = selfSigned('IP:127.0.0.1')
    const api = await startApiDouble({ tls, acceptedToken: () => 'secret' })
    api.set(endpointSlice('a', [endpoint('scout-1', ['10.244.1.5'], { nodeName: 'node1' })]))
    api.run((played) => played.exit(3))
    const config = writeKubeconfig({
      server: api.server,
      ca: tls.cert,
      user: { token: 'secret' },
      contexts: ['other', 'production'],
    })
    const argv = ['--from', 'node1', '--kubeconfig', config, '--context', 'production', 'icmp', '10.0.0.1']
    expect(await runCli(argv)).toMatchObject({ code: 3, out: '' })
  })
})

describe('a failed remote probe', () => {
  const said = 'pods "scout-on-node2" is forbidden: User "jo" cannot create resource "pods/exec"'

  test.each([
    {
      what: 'the node has no agent',
      node: 'node9',
      code: 2,
      sentence: /^node node9 has no agent: agents run on node1, node2, node3$/,
    },
    {
      what: 'the permission is missing',
      misbehaviour: answerStatus(403, said),
      code: 3,
      sentence:
        /^not permitted to create pods\/exec in API group "" in namespace scout: grant it with kubectl create role scout-pods-exec .*--user='jo'$/,
    },
    {
      what: 'kubectl proxy does not pass it on',
      misbehaviour: answerBare(403, {}),
      code: 3,
      sentence:
        /does not pass commands on \(403\): start kubectl proxy with --reject-paths=.*, or use a kubeconfig instead$/,
    },
    {
      what: 'the API server hangs',
      misbehaviour: hang,
      code: 1,
      sentence: /^http:.* did not answer within 5 s: check its load/,
    },
    {
      what: 'the connection breaks off',
      program: (played: Played) => played.close('at once'),
      code: 1,
      sentence: /^the connection to http:.* broke before the command in pod scout-on-node2 had ended$/,
    },
    {
      what: 'the image has no scout-probe',
      program: (played: Played) => played.exit(127),
      code: 1,
      sentence: /^scout-probe in pod scout-on-node2 ended with exit code 127: its image has no scout-probe$/,
    },
    {
      what: 'the probe was killed',
      program: (played: Played) => played.exit(137),
      code: 1,
      sentence: /ended with exit code 137: it was killed$/,
    },
  ])('is told in one sentence when $what', async ({ node = 'node2', misbehaviour, program, code, sentence }) => {
    const { api, from } = await startCluster(program)
    api.always(misbehaviour, /exec$/)
    const finished = await runCli([...from(node), 'tcp', '10.0.0.1:80'])
    expect(finished).toMatchObject({ code, out: '' })
    const own = finished.err.replace(remark, '')
    expect(own).toMatch(/^scout-probe: [^\n]+\n$/)
    expect(own.slice('scout-probe: '.length, -1)).toMatch(sentence)
  })

  test('lists some of many nodes, and suggests the nearest name', async () => {
    const many = Array.from({ length: 30 }, (_, index) => `worker-${String(index + 1).padStart(2, '0')}`)
    const api = await startFakeCluster({ nodes: many })
    const { code, err } = await runCli(['--from', 'wrker-07', '--kube-api', api.server, 'tcp', '10.0.0.1:80'])
    expect(code).toBe(2)
    expect(err).toMatch(
      /^scout-probe: node wrker-07 has no agent: did you mean worker-07\? agents run on worker-01, .*worker-12 and 18 more\n$/,
    )
  })

  test('is tried when the command line is wrong', async () => {
    const { api, started, from } = await startCluster()
    const { code, err } = await runCli([...from('node2'), 'tcp', '10.0.0.1'])
    expect({ code, err }).toEqual({
      code: 2,
      err: 'scout-probe: cannot probe "10.0.0.1": the port is missing: write 10.0.0.1:8081\n',
    })
    expect(api.requests).toEqual([])
    expect(started).toEqual([])
  })
})

describe('access', () => {
  test.each([
    {
      what: 'there is no kubeconfig',
      argv: [],
      environment: { HOME: '/nonexistent' },
      sentence:
        'there is no kubeconfig: KUBECONFIG is not set and /nonexistent/.kube/config does not exist: set --kubeconfig, or run kubectl proxy --port=8081 and pass --kube-api http://127.0.0.1:8081',
    },
    {
      what: 'the kubeconfig is missing',
      argv: ['--kubeconfig', '/nonexistent'],
      sentence:
        "cannot use the kubeconfig /nonexistent: ENOENT: no such file or directory, open '/nonexistent' (name another with --kubeconfig, or in KUBECONFIG)",
    },
    {
      what: 'the address is invalid',
      argv: ['--kube-api', 'localhost:8001'],
      sentence: '"localhost:8001" is not the address of an API server: write --kube-api http://127.0.0.1:8081',
    },
  ])('is refused in one sentence when $what', async ({ argv, environment = {}, sentence }) => {
    for (const command of [['mesh'], ['--from', 'node1', 'tcp', '10.0.0.1:80']]) {
      expect(await runCli([...command, ...argv], { environment })).toEqual({
        code: 2,
        out: '',
        err: `scout-probe: ${sentence}\n`,
      })
    }
  })

  test('is rejected for a context that the kubeconfig does not have', async () => {
    const path = writeKubeconfig({ server: 'https://127.0.0.1:1', contexts: ['production'] })
    const { code, err } = await runCli(['mesh', '--kubeconfig', path, '--context', 'prodution'])
    expect({ code, err }).toEqual({
      code: 2,
      err: `scout-probe: there is no context "prodution" in the kubeconfig ${path}: did you mean production?\n`,
    })
  })
})
