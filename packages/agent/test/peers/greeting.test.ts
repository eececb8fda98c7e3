import { createProber, startHttpResponder } from '@scout/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { desertedTcpPort, listenTcp } from '../../../../test/support/servers.ts'
import { askGreeting, callerOf, queryOf } from '../../src/peers/greeting.ts'
import { greeting } from '../support/greetings.ts'
import { peer } from '../support/peers.ts'

const caller = { name: 'me', namespace: 'scout', process: 'mine', startedAtMs: 7 }

function ask(base: string) {
  const prober = createProber()
  onTestFinished(() => prober.close())
  return askGreeting(prober, base, caller)
}

async function answering(answer: object | undefined): Promise<string> {
  const responder = await startHttpResponder({
    host: '127.0.0.1',
    port: 0,
    document: () => ({}),
    routes: { '/greeting': async () => answer },
  })
  onTestFinished(() => responder.close())
  return `http://127.0.0.1:${responder.port}`
}

describe('a greeting', () => {
  it('is read from the responder of the peer', async () => {
    const theirs = greeting('them', { zone: 'zone-1', nodeAddresses: ['192.0.2.1', '2001:db8::1'] })
    await expect(ask(await answering(theirs))).resolves.toEqual(theirs)
  })

  it.each([
    { what: 'something else', answer: { hello: 'world' } },
    { what: 'an invalid address', answer: greeting('them', { nodeAddresses: ['nowhere'] }) },
    { what: 'a name that is too long', answer: greeting('x'.repeat(10_000)) },
    { what: 'a name with a line break', answer: greeting('them\n2023/10/30 forged') },
    { what: 'a name that turns the direction of text', answer: greeting('them\u202e') },
    { what: 'a zone with a character without width', answer: greeting('them', { zone: 'a\u200b' }) },
    { what: 'a zone with an escape sequence', answer: greeting('them', { zone: '\u001b[2J' }) },
    { what: 'too large an answer', answer: { ...greeting('them'), more: 'x'.repeat(100_000) } },
  ])('is malformed when it is $what', async ({ answer }) => {
    await expect(ask(await answering(answer))).resolves.toBe('malformed')
  })

  it('is malformed if the peer is too old to support it', async () => {
    await expect(ask(await answering(undefined))).resolves.toBe('malformed')
  })

  it('is malformed if something other than an agent answers', async () => {
    const port = await listenTcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
    await expect(ask(`http://127.0.0.1:${port}`)).resolves.toBe('malformed')
  })

  it('is silent if the connection is accepted and then reset', async () => {
    const port = await listenTcp((socket) => socket.once('data', () => socket.resetAndDestroy()))
    await expect(ask(`http://127.0.0.1:${port}`)).resolves.toBe('silent')
  })

  it('does not reach a port where nobody listens', async () => {
    await expect(ask(`http://127.0.0.1:${await desertedTcpPort()}`)).resolves.toBe('unreached')
  })
})

describe('the caller of a request', () => {
  const peers = [peer('them', { namespace: 'scout', addresses: ['10.0.0.1', 'fd00::1'] })]
  const them = { name: 'them', namespace: 'scout', process: 'theirs', startedAtMs: 7 }
  const urlOf = (caller: typeof them) => `/goodbye?${new URLSearchParams(queryOf(caller)).toString()}`
  const call = (from: string, caller = them) => callerOf({ url: urlOf(caller), from }, peers)

  it.each(['10.0.0.1', 'fd00::1'])('is the peer that has the address %s', (address) => {
    expect(call(address)).toEqual({ peer: peers[0], process: 'theirs' })
  })

  it.each([
    { what: 'another address', address: '10.0.0.2', caller: them },
    { what: 'an address of this host', address: '127.0.0.1', caller: them },
    { what: 'an infinite start', address: '10.0.0.1', caller: { ...them, startedAtMs: Infinity } },
    { what: 'a start that is not a number', address: '10.0.0.1', caller: { ...them, startedAtMs: NaN } },
    { what: 'an endless process id', address: '10.0.0.1', caller: { ...them, process: 'x'.repeat(254) } },
    { what: 'an unknown name', address: '10.0.0.1', caller: { ...them, name: 'nobody' } },
    { what: 'another namespace', address: '10.0.0.1', caller: { ...them, namespace: 'other' } },
  ])('is nobody with $what', ({ address, caller }) => {
    expect(call(address, caller)).toBeUndefined()
  })

  it.each(['127.0.0.1', '::1'])('is a peer on this host if it calls from %s', (from) => {
    const here = peer('them', { addresses: ['127.0.0.3'] })
    expect(callerOf({ url: urlOf(them), from }, [here])).toEqual({ peer: here, process: 'theirs' })
  })

  it('is told apart by its start if it is older than process ids', () => {
    const processOf = (startedAtMs: number) =>
      callerOf({ url: `/goodbye?name=them&namespace=scout&startedAtMs=${startedAtMs}`, from: '10.0.0.1' }, peers)
        ?.process
    expect(processOf(7)).toBe(processOf(7))
    expect(processOf(7)).not.toBe(processOf(8))
  })

  it('is unknown without its start', () => {
    expect(callerOf({ url: '/goodbye?name=them', from: '10.0.0.1' }, [peer('them')])).toBeUndefined()
  })

  it('needs no namespace if it comes from a list', () => {
    expect(callerOf({ url: urlOf(them), from: '10.0.0.1' }, [peer('them')])?.process).toBe('theirs')
  })
})
