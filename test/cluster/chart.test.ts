import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { testWith } from '../support/requirements.ts'
import { agentsIn } from './support/agents.ts'
import { podsIn } from './support/api.ts'
import { chart, flagsOf, install, manifests, rolledOut, type Values } from './support/release.ts'
import { helm, kubectl, outcomeOf, run } from './support/run.ts'
import { writeSchemas } from './support/schemas.ts'
import { untilRight } from './support/until.ts'

const withKubeconform = testWith({
  isMet: (await outcomeOf('kubeconform', ['-v'])).isOk,
  reason: 'needs kubeconform on the PATH',
  // Not every machine has it, and kubectl --validate=strict checks nearly the same.
  isSpareableInCi: true,
})
const namespace = 'scout-chart'
const cleanUps: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp()
})

test('installs, upgrades, rolls back and uninstalls without leaving anything', async () => {
  const release = await install({ namespace })
  cleanUps.push(() => outcomeOf('kubectl', ['delete', 'namespace', namespace]))
  const before = await podNames()

  await release.upgrade({ 'config.interval': '7s' })
  expect(await configuration()).toContain('interval: 7s')
  const after = await podNames()
  expect(after.filter((name) => before.includes(name))).toEqual([])

  await helm('rollback', 'scout', '1', '--namespace', namespace, '--wait', '--timeout', '90s')
  await rolledOut(namespace)
  expect(await configuration()).not.toContain('7s')

  expect(await leftovers()).not.toEqual([])
  await release.remove()
  await untilRight(20_000, leftovers)
})

test('leaves the agents alone when an upgrade changes nothing', async () => {
  const release = await install({ namespace })
  cleanUps.push(release.remove)
  const before = await podNames()
  await release.upgrade({})
  expect(await podNames()).toEqual(before)
})

const refused: readonly (readonly [string, unknown, string])[] = [
  ['variant', 'unprivileged', 'variant'],
  ['config.interval', 5, 'config/interval'],
  ['config.interval', '5 seconds', 'config/interval'],
  ['config.console.port', '8080', 'config/console/port'],
  ['config.responder.port', 0, 'config/responder/port'],
  ['config.intervall', '5s', 'intervall'],
  ['config.checks.web.probe', 'htp', 'config/checks/web/probe'],
  ['config.checks.web', { probe: 'http', timout: '1s' }, 'timout'],
  ['config.checks.web', { probe: 'tcp', timeout: 5 }, 'config/checks/web/timeout'],
  ['config.node', 'node-1', 'node'],
  ['resources.limits.memory', true, 'resources/limits/memory'],
  ['tolerations', 'all', 'tolerations'],
  ['maxUnavailable', '0%', 'maxUnavailable'],
  ['image.digest', 'latest', 'image/digest'],
  ['nodeConditions', 'yes', 'nodeConditions'],
  ['capabilities', ['CAP_NET_RAW'], 'capabilities/0'],
  ['capabilities', ['ALL'], 'capabilities/0'],
  ['networkPolicy.console', 'all', 'networkPolicy/console'],
]

test.each(refused)('refuses %s: %j by its name', async (key, value, named) => {
  const { isOk, stderr } = await outcomeOf('helm', ['template', 'scout', chart, ...flagsOf({ [key]: value })])
  expect(isOk).toBe(false)
  expect(stderr.replaceAll('.', '/')).toContain(named)
})

test('uses the priority class that is named, and makes none', async () => {
  const objects = await rendered({ 'priorityClass.name': 'system-node-critical' })
  expect(objects).toContain('priorityClassName: system-node-critical')
  expect(objects).not.toContain('kind: PriorityClass')
})

test('reads the pods of cluster DNS in their namespace: in the privileged variant, or if the values enable it', async () => {
  const slices = { 'dnsPods.namespace': 'openshift-dns', 'dnsPods.service': 'dns-default' }
  const privileged = await rendered(slices)
  expect(privileged).toContain('dnsService: openshift-dns/dns-default')
  expect(privileged.match(/namespace: openshift-dns$/gm)).toHaveLength(2)
  expect(await rendered({ 'dnsPods.enabled': false })).not.toMatch(/dnsService|kube-system/)
  expect(await rendered({ variant: 'restricted' })).not.toMatch(/dnsService|kube-system/)
  expect(await rendered({ variant: 'restricted', 'dnsPods.enabled': true })).toContain(
    'dnsService: kube-system/kube-dns',
  )
})

test('has no network policy by default, and one that this API server accepts if the values enable it', async () => {
  expect(await rendered({})).not.toContain('kind: NetworkPolicy')
  const monitoring = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }
  const values = { 'networkPolicy.enabled': true, 'networkPolicy.console': [monitoring] }
  const file = 'templates/network-policy.yaml'
  const policy = await rendered(values, '--show-only', file)
  const applied = await run('kubectl', ['create', '--filename=-', ...onlyTried, '--output=json'], policy)
  const agents = { matchLabels: { 'app.kubernetes.io/name': 'scout', 'app.kubernetes.io/instance': 'scout' } }
  expect(JSON.parse(applied).spec).toEqual({
    podSelector: agents,
    policyTypes: ['Ingress'],
    ingress: [
      { from: [{ podSelector: agents }] },
      { from: [monitoring], ports: [{ port: 'console', protocol: 'TCP' }] },
    ],
  })
  const closed = await rendered({ 'networkPolicy.enabled': true }, '--show-only', file)
  expect(closed).not.toContain('port: console')
})

const onlyTried = ['--validate=strict', '--dry-run=server']

function rendered(values: Values, ...flags: readonly string[]): Promise<string> {
  return helm('template', 'scout', chart, '--kube-version', '1.36.0', ...flags, ...flagsOf(values))
}

const files = ['scout.yaml', 'scout-restricted.yaml']

withKubeconform('both manifests hold to the schemas of this API server, strictly', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'scout-schemas-'))
  cleanUps.push(() => rm(folder, { recursive: true }))
  const flags = ['-strict', '-summary', '-schema-location', await writeSchemas(folder)]
  const written = await Promise.all(files.map((file) => readFile(join(manifests, file), 'utf8')))
  const together = written.join('---\n')
  const objects = together.match(/^kind: /gm)?.length
  const verdict = await run('kubeconform', [...flags, '-'], together)
  expect(verdict).toContain(`Valid: ${objects}, Invalid: 0, Errors: 0, Skipped: 0`)
  const misspelt = await outcomeOf('kubeconform', [...flags, '-'], together.replaceAll('fsGroup:', 'fsgroup:'))
  expect(misspelt).toMatchObject({ isOk: false, stdout: expect.stringContaining("'fsgroup' not allowed") })
})

describe.each(files)('%s', (file) => {
  const path = join(manifests, file)

  test('has only fields that this API server accepts', async () => {
    await run(
      'kubectl',
      ['create', '--filename', '-', '--validate=strict'],
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: scout}',
    )
    cleanUps.push(() => kubectl('delete', 'namespace', 'scout'))
    expect(await kubectl('apply', '--filename', path, ...onlyTried)).toContain('daemonset')
  })

  test('puts an agent on every node, and leaves nothing when it is deleted', async () => {
    await kubectl('apply', '--filename', path)
    cleanUps.push(() => outcomeOf('kubectl', ['delete', '--filename', path, '--ignore-not-found']))
    await rolledOut('scout')
    const nodeNames = (await kubectl('get', 'nodes', '--output', 'name')).trim().split('\n')
    const agents = await agentsIn('scout')
    expect(agents.map(({ pod }) => `node/${pod.spec.nodeName}`).toSorted()).toEqual(nodeNames.toSorted())

    await kubectl('delete', '--filename', path)
    await untilRight(20_000, leftovers)
  })
})

async function podNames(): Promise<readonly string[]> {
  return (await podsIn(namespace, 'app.kubernetes.io/name=scout')).map(({ metadata }) => metadata.name).toSorted()
}

async function configuration(): Promise<string> {
  return kubectl('--namespace', namespace, 'get', 'configmap', 'scout', '--output', 'jsonpath={.data}')
}

/** Every object of every kind, in and out of namespaces, that has to do with Scout. */
async function leftovers(): Promise<readonly string[]> {
  const kinds = (await kubectl('api-resources', '--verbs=list', '--output=name')).trim().split('\n')
  const listed = kinds.filter((kind) => !kind.startsWith('events')).join(',')
  const objects = await kubectl('get', listed, '--all-namespaces', '--ignore-not-found', '--output', objectLine)
  return objects.split('\n').filter((line) => /(^|[ /])scout/.test(line))
}

const objectLine = 'jsonpath={range .items[*]}{.metadata.namespace}/{.kind} {.metadata.name}{"\\n"}{end}'
