import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { describe, expect, onTestFinished } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { testWith } from '../../../test/support/requirements.ts'
import { desertedTcpPort } from '../../../test/support/servers.ts'
import { type ApiDouble, breakOff, startApiDouble } from './support/api-double.ts'
import { createMesh, type Mesh, type Pod } from './support/mesh.ts'

// On other systems only 127.0.0.1 is an address of the host.
const it = testWith({
  isMet: process.platform === 'linux',
  reason: 'needs all of 127.0.0.0/8 on loopback, as on Linux',
})

async function startMesh(): Promise<{ readonly api: ApiDouble; readonly mesh: Mesh }> {
  const api = await startApiDouble()
  return { api, mesh: createMesh(api, await desertedTcpPort()) }
}

/** Starts pods and waits until they are ready and have probed each other. */
async function runReady(mesh: Mesh, ...names: readonly string[]): Promise<readonly Pod[]> {
  const pods = await Promise.all(names.map((name) => mesh.run(name)))
  for (const name of names) mesh.mark(name, 'ready')
  await probed(mesh, names)
  return pods
}

/** Waits until each has probed every other successfully from now on. */
async function probed(mesh: Mesh, names: readonly string[]): Promise<void> {
  const from = mesh.seen.length
  const pairs = names.flatMap((by) => names.filter((name) => name !== by).map((name) => `${by} to ${name}`))
  const isProbed = () => {
    const done = new Set(mesh.seen.slice(from).flatMap(({ by, peer, ok }) => (ok ? [`${by} to ${peer}`] : [])))
    return pairs.every((pair) => done.has(pair))
  }
  await eventually(isProbed, `${names.join(', ')} probe each other`)
}

const failuresCounted = (mesh: Mesh) => mesh.seen.filter(({ ok, recorded }) => !ok && recorded !== 'set-aside')
const stateOf = (pod: Pod, name: string) => pod.agent.row().peers.find((peer) => peer.name === name)?.state ?? 'gone'

describe('agents whose pods come and go', () => {
  it('count no failure while every pod is replaced in turn', async () => {
    const { mesh } = await startMesh()
    let pods = await runReady(mesh, 'a', 'b', 'c')
    for (const [index, old] of pods.entries()) {
      const others = pods.filter((pod) => pod !== old)
      // As in a rollout, the slice reports the pod as leaving when its agent gets SIGTERM, before or after the goodbye.
      if (index % 2 === 0) mesh.mark(old.name, 'leaving')
      const stopped = old.agent.stop()
      await eventually(() => others.every((pod) => stateOf(pod, old.name) === 'leaving'), `${old.name} is leaving`)
      await stopped
      mesh.mark(old.name, 'gone')
      const successor = await mesh.run(`${old.name}${index}`)
      mesh.mark(successor.name, 'ready')
      pods = [...others, successor]
      await probed(
        mesh,
        pods.map(({ name }) => name),
      )
    }
    expect(failuresCounted(mesh)).toEqual([])
    for (const { agent } of pods) {
      const { peers, series } = agent.row()
      expect(peers.map(({ state }) => state)).toEqual(['ready', 'ready'])
      const nodes = new Set(peers.map(({ node }) => node))
      expect(new Set(series.flatMap(({ state, to }) => (state === 'ok' ? [to] : [])))).toEqual(nodes)
    }
  })

  it('set aside the failures of a killed pod when the slice reports it soon after', async () => {
    const { mesh } = await startMesh()
    const [watcher] = await runReady(mesh, 'a')
    const victim = await placeListener(mesh, 'victim', '127.0.0.99')
    await eventually(() => mesh.seen.some(({ peer, ok }) => peer === 'victim' && ok), 'the victim is probed')
    victim.kill()
    await eventually(() => (watcher?.agent.row().held ?? 0) > 0, 'a failure is held back')
    expect(watcher?.agent.row().series).toMatchObject([{ state: 'ok' }])
    mesh.mark('victim', 'gone')
    await eventually(() => mesh.seen.some(({ ok }) => !ok), 'the held failure is set aside')
    expect(failuresCounted(mesh)).toEqual([])
    expect(watcher?.agent.row()).toMatchObject({ held: 0, peers: [], series: [{ state: 'waiting' }] })
  })

  it('count the failures of a peer that lost power, from the first one, until Kubernetes reports it', async () => {
    const { mesh } = await startMesh()
    const [watcher] = await runReady(mesh, 'a')
    const victim = await placeListener(mesh, 'victim', '127.0.0.98')
    await eventually(() => mesh.seen.some(({ peer, ok }) => peer === 'victim' && ok), 'the victim is probed')
    const killedAtMs = Date.now()
    victim.kill()
    const series = () => watcher?.agent.row().series[0]
    await eventually(() => series()?.state === 'failing', 'its link fails')
    expect(series()?.sinceMs).toBeGreaterThanOrEqual(killedAtMs)
    expect(series()?.sinceMs).toBeLessThan(killedAtMs + 500)
    mesh.mark('victim', 'starting')
    await eventually(() => series()?.state === 'waiting', 'Kubernetes reports it')
  })

  it('detect which peer left while the API server is down', async () => {
    const { api, mesh } = await startMesh()
    const [a, b] = await runReady(mesh, 'a', 'b')
    api.always(breakOff)
    api.drop()
    await eventually(() => a?.agent.row().knowledge.trouble !== undefined, 'trouble')
    expect(a?.agent.row().isReady).toBe(true)
    await b?.agent.stop()
    expect(a?.agent.row()).toMatchObject({
      peers: [{ name: 'b', state: 'leaving' }],
      series: [{ state: 'waiting' }],
    })
    api.always(undefined)
    mesh.mark('b', 'gone')
    await eventually(() => a?.agent.row().peers.length === 0, 'b is gone')
    expect(failuresCounted(mesh)).toEqual([])
  })

  it('accept an agent that is back in the same pod before its slice has changed', async () => {
    const { mesh } = await startMesh()
    const [a, b] = await runReady(mesh, 'a', 'b')
    const address = mesh.addressOf('b')
    await b?.agent.stop()
    expect(a === undefined ? undefined : stateOf(a, 'b')).toBe('leaving')
    await mesh.run('b', { address })
    await eventually(() => a !== undefined && stateOf(a, 'b') === 'ready', 'b is back')
    await probed(mesh, ['a', 'b'])
    expect(failuresCounted(mesh)).toEqual([])
  })

  it('keep answering for a grace period after their goodbye', async () => {
    const { mesh } = await startMesh()
    const [a, b] = await Promise.all([mesh.run('a'), mesh.run('b', { graceMs: 300 })])
    for (const name of ['a', 'b']) mesh.mark(name, 'ready')
    await probed(mesh, ['a', 'b'])
    const stopped = b.agent.stop()
    await eventually(() => stateOf(a, 'b') === 'leaving', 'the goodbye')
    const answer = await fetch(`http://${mesh.addressOf('b')}:${mesh.port}/`)
    expect(answer.status).toBe(200)
    expect(b.agent.row().isReady).toBe(false)
    await stopped
    await expect(fetch(`http://${mesh.addressOf('b')}:${mesh.port}/`)).rejects.toThrow('fetch failed')
  })

  it('report facts to each other that are not in any slice', async () => {
    const { mesh } = await startMesh()
    const [a] = await runReady(mesh, 'a', 'b')
    await eventually(() => a?.agent.row().peers[0]?.version !== undefined, 'a greeting')
    expect(a?.agent.row().peers).toMatchObject([{ name: 'b', version: '1', zone: 'zone-1' }])
  })
})

/** A ready pod that accepts connections until it is killed. */
async function placeListener(mesh: Mesh, name: string, address: string): Promise<{ kill(): void }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => sockets.add(socket.on('error', () => {})))
  server.listen({ host: address, port: mesh.port })
  await once(server, 'listening')
  const kill = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(kill)
  mesh.place(name, address)
  mesh.mark(name, 'ready')
  return { kill }
}
