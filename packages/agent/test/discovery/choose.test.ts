import { startHttpResponder } from '@scout/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import { loadConfig } from '../../src/config/config.ts'
import { chooseDiscovery } from '../../src/discovery/choose.ts'
import type { Knowledge } from '../../src/peers/knowledge.ts'
import { startApiDouble } from '../support/api-double.ts'
import { greeting } from '../support/greetings.ts'
import { endpoint, endpointSlice } from '../support/slices.ts'

/** Variables that Kubernetes sets in every pod. */
const inPod = { KUBERNETES_SERVICE_HOST: '10.96.0.1' }
const peers = [{ name: 'node-2', addresses: ['10.0.0.2'] }]

/** Starts the discovery of these settings and records its reports. */
async function discover(written: Readonly<Record<string, string>>, listed: typeof peers = [], environment = {}) {
  const flags = Object.entries(written).map(([path, text]) => ({ path, text, origin: 'a test' }))
  const { config } = loadConfig({ environment, flags, peers: listed })
  const told: Knowledge[] = []
  const ways: string[] = []
  const discovery = await chooseDiscovery({
    config,
    environment,
    caller: { name: 'me', namespace: undefined, process: 'of-me', startedAtMs: 1 },
    events: {
      configurationBroken() {},
      oddity() {},
      way: (way) => ways.push(way),
      defect: (error) => {
        throw error
      },
    },
  })
  onTestFinished(() => discovery.stop())
  await discovery.start((knowledge) => told.push(knowledge))
  return { told, ways, latest: () => told.at(-1), stop: () => discovery.stop() }
}

describe('the choice of a discovery', () => {
  it.each([
    { what: 'nothing is given', settings: {} },
    { what: 'peers are given', settings: {}, listed: peers },
    { what: 'peers are given beside an API server', settings: { kubeApi: 'http://127.0.0.1:1' }, listed: peers },
    { what: 'peers are given in a pod', settings: {}, listed: peers, environment: inPod },
    { what: 'it is configured', settings: { discovery: 'static', kubeApi: 'http://127.0.0.1:1' } },
    { what: 'it is configured in a pod', settings: { discovery: 'static' }, environment: inPod },
  ])('is the list when $what', async ({ settings, listed = [], environment }) => {
    const { latest } = await discover(settings, listed, environment)
    expect(latest()).toMatchObject({ source: 'configuration', peers: listed })
    expect(latest()?.trouble).toBeUndefined()
  })

  it.each([
    { settings: { namespace: 'mon' }, name: /^the name scout\.mon\.svc\./ },
    { settings: { service: 'agents.example.org' }, name: /^the name agents\.example\.org$/ },
  ])('is the name of the Service in a pod without access to an API server: $settings', async ({ settings, name }) => {
    const { latest } = await discover(settings, [], inPod)
    await eventually(() => latest() !== undefined, 'knowledge')
    expect(latest()?.source).toMatch(name)
  })

  it('reports trouble in a pod that has no way to find peers', async () => {
    const { latest } = await discover({}, [], inPod)
    expect(latest()).toMatchObject({
      peers: [],
      trouble: expect.stringMatching(/^cannot find peers: .* set the namespace with --namespace$/),
    })
  })

  it.each([
    {
      settings: { kubeApi: 'not an address' },
      sentence: '"not an address" is not the address of an API server: write --kube-api http://127.0.0.1:8081',
    },
    { settings: { kubeApi: 'ftp://127.0.0.1' }, sentence: '"ftp://127.0.0.1" is not the address of an API server' },
    { settings: { kubeconfig: '/nonexistent' }, sentence: 'cannot use the kubeconfig /nonexistent' },
    {
      settings: { discovery: 'dns' },
      sentence: 'the namespace of service scout is unknown: set it with --namespace',
    },
  ])('names the mistake in $settings', async ({ settings, sentence }) => {
    await expect(discover(settings)).rejects.toThrow(sentence)
  })
})

describe('kubectl proxy', () => {
  it('leads to direct probes if the pods themselves answer', async () => {
    const api = await startApiDouble()
    const pod = await startHttpResponder({
      host: '127.0.0.1',
      port: 0,
      document: () => ({}),
      routes: { '/greeting': async () => greeting('scout-1') },
    })
    onTestFinished(() => pod.close())
    api.set(endpointSlice('a', [endpoint('scout-1', ['127.0.0.1'])], { port: pod.port }))
    const { ways, latest } = await discover({ kubeApi: `${api.server}/` })
    await eventually(() => ways.length === 1, 'a way')
    expect(latest()?.peers).toMatchObject([{ name: 'scout-1', state: 'ready' }])
    expect(latest()?.peers[0]?.proxy).toBeUndefined()
  })

  it.each([
    { what: 'nobody answers', answer: undefined },
    { what: 'something else answers for them', answer: greeting('a router') },
  ])('leads to probes through the API server if $what', async ({ answer }) => {
    const api = await startApiDouble()
    const pod = await startHttpResponder({
      host: '127.0.0.1',
      port: 0,
      document: () => ({}),
      routes: { '/greeting': async () => answer },
    })
    onTestFinished(() => pod.close())
    const port = answer === undefined ? await desertedTcpPort() : pod.port
    api.set(endpointSlice('a', [endpoint('scout-1', ['127.0.0.1'])], { port }))
    const { ways, latest } = await discover({ kubeApi: api.server })
    await eventually(() => ways.length === 1, 'a way')
    expect(latest()?.peers).toMatchObject([
      { state: 'ready', proxy: `${api.server}/api/v1/namespaces/scout/pods/scout-1:${port}/proxy` },
    ])
  })

  it('ends the greeting under way when it is stopped', async () => {
    const api = await startApiDouble()
    let open = 0
    const port = await listenTcp((socket) => {
      open++
      socket.resume().on('close', () => open--)
    })
    api.set(endpointSlice('a', [endpoint('scout-1', ['127.0.0.1'])], { port }))
    const { stop } = await discover({ kubeApi: api.server })
    await eventually(() => open === 1, 'a greeting')
    const startMs = performance.now()
    stop()
    await eventually(() => open === 0, 'its end')
    // A greeting that is not answered takes 3.5 s.
    expect(performance.now() - startMs).toBeLessThan(2_000)
  })

  it('keeps the default responder port free, because the proxy may use it', () => {
    const load = (...flags: readonly (readonly [string, string])[]) =>
      loadConfig({ environment: {}, flags: flags.map(([path, text]) => ({ path, text, origin: 'a test' })) })
    const kubeApi = ['kubeApi', 'http://127.0.0.1:8081'] as const
    expect(load().config.responder.port).toBe(8081)
    expect(load(kubeApi).config.responder.port).toBe(0)
    expect(load(kubeApi, ['responder.port', '8081']).config.responder.port).toBe(8081)
  })
})
