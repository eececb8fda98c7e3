import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { expect, test, vi } from 'vitest'
import { describeWith } from '../../support/requirements.ts'
import { openLab } from '../src/index.ts'
import { allowTime, labNeeds } from './support/namespaces.ts'

const cli = new URL('../dist/cli.js', import.meta.url).pathname

describeWith(...labNeeds)('a lab', () => {
  allowTime()
  test('takes nothing of this machine and leaves nothing behind, however it ends', async () => {
    const command = spawn(process.execPath, [cli, 'up', '--nodes', '2', '--network', 'vxlan'], { stdio: 'pipe' })
    const said = createInterface({ input: command.stdout })[Symbol.asyncIterator]()
    await said.next()
    command.stdin.write('fault link-flapping\nfault delay\nfault accept-queue-full\nfault cpu-starved pod=pod2\n')
    while (!(await said.next()).value?.startsWith('fault4')) {}
    expect(traces()).toEqual([])
    const namespaces = namespacesBelow(command)
    const below = descendants(String(command.pid))
    expect(namespaces.size).toBeGreaterThan(8)
    command.kill('SIGKILL')
    await once(command, 'exit')
    await vi.waitFor(() => expect([...processesIn(namespaces), ...below.filter(isAlive)]).toEqual([]), {
      timeout: 5000,
    })
    expect(traces()).toEqual([])
  })

  test('ends with close, and its processes with it', async () => {
    const lab = await openLab({ nodes: 2 })
    const sleeper = lab.spawn('pod1', ['sh', '-c', 'echo up; exec sleep 1000'])
    await sleeper.lines()[Symbol.asyncIterator]().next()
    await lab.inject('cpu-starved')
    await lab.close()
    expect(await sleeper.exited).toBe(137)
  })

  test('does not see another one with the same addresses', async () => {
    const [one, other] = await Promise.all([openLab({ nodes: 2 }), openLab({ nodes: 2 })])
    try {
      await one.inject('node-down')
      const status = async (lab: typeof one) =>
        (await lab.run('pod1', ['ping', '-c1', '-W', '0.5', '10.244.2.10'])).status
      expect(await Promise.all([status(one), status(other)])).toEqual([1, 0])
    } finally {
      await Promise.all([one.close(), other.close()])
    }
  })

  test('signals reach the process itself, and its exit status comes back', async () => {
    const lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    try {
      const polite = lab.spawn('node1', ['sh', '-c', "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"])
      await polite.lines()[Symbol.asyncIterator]().next()
      expect(await polite.stop()).toBe(7)
      expect(await lab.spawn('pod2', ['sh', '-c', 'exit 3']).exited).toBe(3)
    } finally {
      await lab.close()
    }
  })

  test('says which step failed, in the words of the tool', async () => {
    const lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    try {
      await lab.run('node2', ['ip', 'link', 'del', 'pod2'])
      await expect(lab.inject('rate-limit')).rejects.toThrow(
        'cannot change node2 queue pod2 in node2: Cannot find device "pod2"',
      )
      expect(() => lab.spawn('pod9', ['true'])).toThrow('this lab has no place "pod9": it has node1, node2, pod1, pod2')
    } finally {
      await lab.close()
    }
  })

  test('a port of a pod can be reached from this machine', async () => {
    const lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    try {
      await lab.startWorkload()
      const { port, close } = await lab.forwardPort({ place: 'pod2', port: 8081 })
      const answer = await fetch(`http://127.0.0.1:${port}/`)
      expect(await answer.json()).toEqual({ name: 'pod2' })
      await expect(lab.forwardPort({ place: 'pod1', port: 8081, localPort: port })).rejects.toThrow('cannot listen on')
      await close()
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
    } finally {
      await lab.close()
    }
  })

  test('a port that cannot be reached is not listened on', async () => {
    const lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    try {
      const { port, close } = await lab.forwardPort({ place: 'pod1', port: 8081 })
      await close()
      const forward = (place: string) => lab.forwardPort({ place, port: 8081, localPort: port })
      await expect(forward('pod9')).rejects.toThrow('this lab has no place "pod9"')
      await lab.run('node2', ['ip', 'netns', 'del', 'pod2'])
      await expect(forward('pod2')).rejects.toThrow('cannot start the relay in pod2: it ended with status 1')
      await (await forward('pod1')).close()
    } finally {
      await lab.close()
    }
  })

  test('a fault that cannot be healed is still at work, and can be healed later', async () => {
    const lab = await openLab({ nodes: 2, dnsReplicas: 0 })
    try {
      const fault = await lab.inject('icmp-blocked')
      await lab.run('node1', ['nft', 'delete', 'table', 'inet', 'fault1_0'])
      await expect(fault.heal()).rejects.toThrow('cannot delete nft rules in node1')
      expect(lab.injections).toEqual([fault])
      await lab.run('node1', ['nft', 'add', 'table', 'inet', 'fault1_0'])
      await fault.heal()
      expect(lab.injections).toEqual([])
    } finally {
      await lab.close()
    }
  })

  test('a process that cannot be started rejects for callers that await it, and is no unhandled rejection', async () => {
    const lab = await openLab({ nodes: 1, dnsReplicas: 0 })
    try {
      const nowhere = { cwd: '/nowhere' }
      lab.spawn('pod1', ['true'], nowhere)
      await expect(lab.spawn('pod1', ['true'], nowhere).exited).rejects.toThrow(/^cannot start setpriv .* true: /)
    } finally {
      await lab.close()
    }
  })
})

/** What of a lab can be seen on the machine outside it, by the names labs use. */
function traces(): readonly string[] {
  const names = /^(node|pod|dns|bridge-|router|underlay|vxlan|fault)/
  const links = readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .map((line) => line.trim())
  return [
    ...[...entries('/run/netns'), ...links].filter((name) => names.test(name)),
    ...entries(tmpdir()).filter((name) => name.includes('scout-lab')),
    ...readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes('scout-lab')),
  ]
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    return []
  }
}

/** Every namespace that descendants of a process are in and this process is not. */
function namespacesBelow({ pid }: ChildProcess): ReadonlySet<string> {
  const own = new Set(namespacesOf('self'))
  return new Set(
    descendants(String(pid))
      .flatMap(namespacesOf)
      .filter((name) => !own.has(name)),
  )
}

function processesIn(namespaces: ReadonlySet<string>): readonly string[] {
  return processes().filter((pid) => namespacesOf(pid).some((name) => namespaces.has(name)))
}

function namespacesOf(pid: string): readonly string[] {
  return ['user', 'net', 'mnt', 'pid'].flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)]
    } catch {
      return []
    }
  })
}

function descendants(pid: string): readonly string[] {
  return entries(`/proc/${pid}/task`)
    .flatMap((thread) => childrenOf(`/proc/${pid}/task/${thread}/children`))
    .flatMap((child) => [child, ...descendants(child)])
}

function childrenOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split(' ').filter(Boolean)
  } catch {
    return []
  }
}

/** A zombie has ended; reaping it is not the lab's task. */
function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function processes(): readonly string[] {
  return entries('/proc').filter((name) => /^\d+$/.test(name))
}
