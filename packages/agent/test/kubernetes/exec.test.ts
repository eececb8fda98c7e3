import { describe, expect, test } from 'vitest'
import { selfSigned } from '../../../../test/support/certificate.ts'
import { eventually } from '../../../../test/support/eventually.ts'
import { testWith } from '../../../../test/support/requirements.ts'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import type { ApiAccess } from '../../src/kubernetes/api.ts'
import { ApiError } from '../../src/kubernetes/api-error.ts'
import { createAccess } from '../../src/kubernetes/credentials.ts'
import { type ExecRequest, execInPod } from '../../src/kubernetes/exec.ts'
import {
  type ApiDouble,
  answerBare,
  answerStatus,
  answerWith,
  breakOff,
  hang,
  startApiDouble,
} from '../support/api-double.ts'
import type { Played } from '../support/exec-double.ts'
import { writeKubeconfig } from '../support/kubeconfig.ts'

function accessTo(server: string): ApiAccess {
  return { server, credentials: async () => ({}), renew() {} }
}

/** Starts `probe --now` in a pod. Records its output by stream. */
async function start(access: ApiAccess, more: Partial<ExecRequest> = {}) {
  const output = { stdout: '', stderr: '' }
  const remote = await execInPod({
    access,
    pod: { name: 'scout-1', namespace: 'scout', container: 'agent' },
    command: ['probe', '--now', 'a b&c'],
    answerMs: 5_000,
    signal: new AbortController().signal,
    onOutput(stream, bytes) {
      output[stream] += Buffer.from(bytes).toString()
    },
    ...more,
  })
  return { ...remote, output }
}

/** Resolves to the process that the double starts next. */
function playedBy(api: ApiDouble): Promise<Played> {
  return new Promise((resolve) => {
    api.run(resolve)
  })
}

describe('a command in a pod', () => {
  test('runs in the container of that pod, with its arguments unchanged', async () => {
    const api = await startApiDouble()
    const started = playedBy(api)
    const { exited } = await start(accessTo(api.server))
    const process = await started
    expect(process).toMatchObject({
      path: '/api/v1/namespaces/scout/pods/scout-1/exec',
      command: ['probe', '--now', 'a b&c'],
      container: 'agent',
      protocol: 'v5.channel.k8s.io',
    })
    process.exit(0)
    expect(await exited).toBe(0)
  })

  test('has its output passed on as it arrives, by stream', async () => {
    const api = await startApiDouble()
    const started = playedBy(api)
    const { exited, output } = await start(accessTo(api.server))
    const process = await started
    process.print('stdout', 'one\n')
    process.print('stderr', 'remark\n')
    await eventually(() => output.stderr !== '', 'the remark')
    expect(output).toEqual({ stdout: 'one\n', stderr: 'remark\n' })
    process.print('stdout', 'two\n')
    process.exit(0)
    await exited
    expect(output.stdout).toBe('one\ntwo\n')
  })

  test.each([0, 1, 3, 137])('resolves to its exit code %i', async (code) => {
    const api = await startApiDouble()
    api.run((process) => process.exit(code))
    const { exited } = await start(accessTo(api.server))
    expect(await exited).toBe(code)
  })

  test('receives its input, and the end of the connection', async () => {
    const api = await startApiDouble()
    const started = playedBy(api)
    const remote = await start(accessTo(api.server))
    const process = await started
    remote.write('stop')
    await eventually(() => process.input() === 'stop', 'the input')
    const broken = remote.exited.catch(String)
    remote.close()
    await eventually(process.isCutOff, 'the end of the input')
    expect(await broken).toContain('broke before')
    remote.write('more')
    expect(process.input()).toBe('stop')
  })
})

describe('an abnormal end', () => {
  test.each(['in order', 'at once'] as const)('is reported when the connection closes %s', async (how) => {
    const api = await startApiDouble()
    api.run((process) => {
      process.print('stdout', 'half')
      process.close(how)
    })
    const { exited } = await start(accessTo(api.server))
    await expect(exited).rejects.toThrow(
      `the connection to ${api.server} broke before the command in pod scout-1 had ended`,
    )
    await expect(exited).rejects.toMatchObject({ kind: 'unreachable' })
  })

  test('is reported when the server falls silent', async () => {
    const api = await startApiDouble()
    api.run((process) => process.freeze())
    const { exited } = await start(accessTo(api.server), { silenceMs: 300 })
    await expect(exited).rejects.toThrow(`received nothing from ${api.server} for 0.3 s before the command`)
  })

  test('is reported when the server sends a message without end', async () => {
    const api = await startApiDouble()
    api.run((process) => process.print('stdout', Buffer.alloc(5 << 20)))
    const received: number[] = []
    const { exited } = await start(accessTo(api.server), { onOutput: (_, { length }) => received.push(length) })
    await expect(exited).rejects.toThrow(
      `${api.server} sent a message of more than 4 MiB, which is the limit, before the command in pod scout-1 had ended`,
    )
    expect(received).toEqual([])
  })

  test('is not assumed when a process prints nothing for a long time', async () => {
    const api = await startApiDouble()
    api.run((process) => setTimeout(() => process.exit(0), 600))
    const { exited } = await start(accessTo(api.server), { silenceMs: 200 })
    expect(await exited).toBe(0)
  })

  test.each([
    {
      what: 'names a missing program',
      status: {
        status: 'Failure',
        reason: 'InternalError',
        message: 'exec: "scout-probe": executable file not found in $PATH',
      },
      sentence: 'cannot run a command in pod scout-1: exec: "scout-probe": executable file not found in $PATH',
    },
    { what: 'is incomplete', status: { code: 0 }, sentence: 'cannot run a command in pod scout-1: {"code":0}' },
    { what: 'is not JSON', status: '<html>', sentence: /answered with 6 characters of broken JSON/ },
  ])('is reported when the status $what', async ({ status, sentence }) => {
    const api = await startApiDouble()
    api.run((process) => process.end(status))
    const { exited } = await start(accessTo(api.server))
    await expect(exited).rejects.toThrow(sentence)
  })
})

describe('a failed connection', () => {
  const said = 'pods "scout-1" is forbidden: User "jo" cannot create resource "pods/exec" in API group ""'

  test.each([
    {
      what: 'the permission is missing',
      misbehaviour: answerStatus(403, said),
      sentence:
        'not permitted to create pods/exec in API group "" in namespace scout: grant it with kubectl create role scout-pods-exec -n scout --verb=get,create --resource=pods/exec && kubectl create rolebinding scout-pods-exec -n scout --role=scout-pods-exec --user=\'jo\'',
    },
    {
      what: 'kubectl proxy does not pass commands on',
      misbehaviour: answerBare(403, { 'content-type': 'text/plain' }),
      sentence:
        /does not pass commands on \(403\): start kubectl proxy with --reject-paths='\^\/api\/\.\*\/pods\/\.\*\/attach'/,
    },
    {
      what: 'the token has expired',
      misbehaviour: answerStatus(401, 'Unauthorized'),
      sentence: /does not accept these credentials \(401\)/,
    },
    {
      what: 'the pod is gone',
      misbehaviour: answerStatus(404, 'pods "scout-1" not found'),
      sentence: /rejected create of pods\/exec \(404\): pods "scout-1" not found$/,
    },
    {
      what: 'a web page answers',
      misbehaviour: answerWith('<html>', 'text/html'),
      sentence: /answered 200, but not as Kubernetes does/,
    },
    {
      what: 'the connection breaks',
      misbehaviour: breakOff,
      sentence: /cannot reach the API server at .*: socket hang up/,
    },
  ])('is reported in one sentence when $what', async ({ misbehaviour, sentence }) => {
    const api = await startApiDouble()
    api.always(misbehaviour)
    const starting = start(accessTo(api.server))
    await expect(starting).rejects.toThrow(sentence)
    await expect(starting).rejects.toBeInstanceOf(ApiError)
  })

  test('times out after the configured time', async () => {
    const api = await startApiDouble()
    api.always(hang)
    const startMs = performance.now()
    await expect(start(accessTo(api.server), { answerMs: 200 })).rejects.toThrow(
      `${api.server} did not answer within 0.2 s: check its load and the network path to it`,
    )
    expect(performance.now() - startMs).toBeLessThan(2_000)
  })

  test('times out while the credentials hang, and ends when the caller aborts', async () => {
    const access = { ...accessTo('http://127.0.0.1:1'), credentials: () => new Promise<never>(() => {}) }
    await expect(start(access, { answerMs: 20 })).rejects.toThrow(
      'cannot read the credentials for http://127.0.0.1:1: timeout after 0.02 s',
    )
    const signal = AbortSignal.timeout(20)
    await expect(start(access, { signal })).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('is reported when nothing listens', async () => {
    const port = await desertedTcpPort()
    await expect(start(accessTo(`http://127.0.0.1:${port}`))).rejects.toThrow(
      /cannot reach the API server at .*ECONNREFUSED/,
    )
  })

  test('ends when the caller aborts', async () => {
    const controller = new AbortController()
    const port = await listenTcp((socket) => {
      socket.once('data', () => controller.abort(new Error('enough')))
    })
    await expect(start(accessTo(`http://127.0.0.1:${port}`), { signal: controller.signal })).rejects.toThrow('enough')
    await expect(start(accessTo(`http://127.0.0.1:${port}`), { signal: controller.signal })).rejects.toThrow('enough')
  })
})

testWith('openssl')('goes over TLS with the credentials of a kubeconfig', async () => {
  const tls = selfSigned('IP:127.0.0.1')
  const api = await startApiDouble({ tls, acceptedToken: () => 'secret' })
  api.run((process) => process.exit(4))
  const config = { server: api.server, ca: tls.cert }
  const access = (token: string) =>
    createAccess({ kubeconfig: writeKubeconfig({ ...config, user: { token } }), environment: {} })
  const { exited } = await start(access('secret'))
  expect(await exited).toBe(4)
  await expect(start(access('expired'))).rejects.toThrow(/does not accept these credentials/)
})
