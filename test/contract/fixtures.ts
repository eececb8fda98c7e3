import { type Protocol, type Responder, startDnsResponder, startHttpResponder, startUdpResponder } from '@scout/core'
import { onTestFinished } from 'vitest'
import { type EchoManner, namespaces, routed, silentAddress, startInNamespace } from '../support/child.ts'
import { capability, nativePart } from '../support/requirements.ts'
import { desertedTcpPort, desertedUdpPort, listenTcp, listenUdp } from '../support/servers.ts'
import { stampAnswerTo } from '../support/stamp.ts'
import type { Fixture } from './probe-contract.ts'

const host = '127.0.0.1'

/** One fixture per protocol: a probe without one is a type error here. */
export const fixtures: { readonly [Name in Protocol]: Fixture<Name> } = {
  http: {
    answering: here(async () => ({
      target: `${host}:${await closedAtTheEnd(startHttpResponder({ host, port: 0, document: () => ({}) }))}`,
      phases: ['connect', 'write', 'server', 'transfer'],
    })),
    deserted: here(async () => ({ target: `${host}:${await desertedTcpPort()}`, reason: 'refused' })),
    silent: here(async () => ({ target: `${host}:${await listenTcp((socket) => socket.resume())}` })),
    babbling: here(async () => ({
      target: `${host}:${await listenTcp((socket) => socket.once('data', () => socket.end('220 ESMTP ready\r\n')))}`,
    })),
    tardy: here(async () => ({ target: `${host}:${await answerOneBehindByHttp()}`, sharesSocket: false })),
  },

  tcp: {
    answering: here(async () => ({
      target: `${host}:${await listenTcp((socket) => socket.end())}`,
      phases: ['connect'],
    })),
    deserted: here(async () => ({ target: `${host}:${await desertedTcpPort()}`, reason: 'refused' })),
    silent: inNamespace(`${silentAddress}:80`, {}),
    // The kernels on both sides handle a handshake, and it belongs to one socket.
    babbling: null,
    tardy: null,
  },

  syn: {
    answering: {
      needs: [capability('CAP_NET_RAW'), nativePart],
      prepare: async () => ({
        target: `${host}:${await listenTcp((socket) => socket.end())}`,
        phases: ['handshake'],
      }),
    },
    deserted: {
      needs: [capability('CAP_NET_RAW'), nativePart],
      prepare: async () => ({ target: `${host}:${await desertedTcpPort()}`, reason: 'refused' as const }),
    },
    silent: { ...inNamespace(`${silentAddress}:80`, {}), needs: ['ip', namespaces, nativePart] },
    // The kernel answers, and the acknowledged number identifies its reply.
    babbling: null,
    tardy: null,
  },

  udp: {
    answering: here(async () => ({
      target: `${host}:${await closedAtTheEnd(startUdpResponder({ host, port: 0 }))}`,
      phases: ['echo'],
    })),
    deserted: here(async () => ({ target: `${host}:${await desertedUdpPort()}`, reason: 'refused' })),
    silent: here(async () => ({ target: `${host}:${await answerByUdp(() => [])}` })),
    babbling: here(async () => ({
      target: `${host}:${await answerByUdp((request) => [request, Buffer.from('garbage'), stampAnswerTo(request).subarray(1)])}`,
    })),
    tardy: here(async () => ({ target: `${host}:${await answerByUdp(oneBehind(stampAnswerTo))}`, sharesSocket: true })),
  },

  icmp: {
    answering: { needs: [capability('CAP_NET_RAW')], prepare: async () => ({ target: host, phases: ['echo'] }) },
    deserted: inNamespace(routed.unreachable[0], { reason: 'unreachable' } as const),
    silent: inNamespace(silentAddress, {}),
    babbling: inNamespace(host, {}, 'withGarbage'),
    tardy: inNamespace(host, { sharesSocket: true }, 'oneBehind'),
  },

  dns: {
    answering: here(async () => ({
      target: `scout@${host}:${await closedAtTheEnd(startDnsResponder({ host, port: 0, addressesOf: () => [host] }))}`,
      phases: ['query'],
    })),
    deserted: here(async () => ({ target: `scout@${host}:${await desertedUdpPort()}`, reason: 'refused' })),
    silent: here(async () => ({ target: `scout@${host}:${await answerByUdp(() => [])}` })),
    babbling: here(async () => ({
      target: `scout@${host}:${await answerByUdp((query) => [query, Buffer.from('garbage'), dnsAnswerTo(query).subarray(0, 20)])}`,
    })),
    tardy: here(async () => ({
      target: `scout@${host}:${await answerByUdp(oneBehind(dnsAnswerTo))}`,
      sharesSocket: true,
    })),
  },

  mtu: {
    answering: {
      needs: [nativePart],
      prepare: async () => ({
        target: `${host}:${await closedAtTheEnd(startUdpResponder({ host, port: 0 }))}`,
        phases: ['reach', 'search', 'directions'],
      }),
    },
    deserted: {
      ...inNamespace(routed.unreachable[0], { reason: 'unreachable' } as const),
      needs: ['ip', namespaces, nativePart],
    },
    silent: { ...inNamespace(silentAddress, {}), needs: ['ip', namespaces, nativePart] },
    // Its packets are those of icmp and udp.
    babbling: null,
    tardy: null,
  },

  trace: {
    answering: { needs: [nativePart], prepare: async () => ({ target: host, phases: ['trace'] }) },
    deserted: {
      ...inNamespace(routed.unreachable[0], { reason: 'unreachable' } as const),
      needs: ['ip', namespaces, nativePart],
    },
    silent: { ...inNamespace(silentAddress, {}), needs: ['ip', namespaces, nativePart] },
    babbling: { ...inNamespace(host, {}, 'withGarbage'), needs: ['ip', namespaces, nativePart] },
    // Each trace has sockets of its own.
    tardy: null,
  },
}

function here<Made>(prepare: () => Promise<Made>) {
  return { needs: [], prepare }
}

function inNamespace<Extra extends object>(target: string, extra: Extra, manner: EchoManner = 'duly') {
  return {
    needs: ['ip', namespaces] as const,
    prepare: async () => {
      const child = await startInNamespace()
      onTestFinished(() => child.close())
      if (manner !== 'duly') await child.answerEchoes(manner)
      return { target, child, ...extra }
    },
  }
}

async function closedAtTheEnd(starting: Promise<Responder>): Promise<number> {
  const responder = await starting
  onTestFinished(() => responder.close())
  return responder.port
}

type Reply = (request: Buffer) => readonly Uint8Array[]

async function answerByUdp(reply: Reply): Promise<number> {
  const server = await listenUdp((request, from, socket) => {
    for (const bytes of reply(request)) socket.send(bytes, from.port, from.address)
  })
  return server.address().port
}

function oneBehind(replyTo: (request: Buffer) => Uint8Array): Reply {
  const requests: Buffer[] = []
  return (request) => (requests.push(request) === 2 ? requests.map((each) => replyTo(each)) : [])
}

/** Returns an answer with one address: the question with the response bit set, and a record of its name (RFC 1035 §4.1.1). */
function dnsAnswerTo(query: Buffer): Buffer {
  const optBytes = 11
  const answer = Buffer.concat([
    query.subarray(0, -optBytes),
    Buffer.from('c00c00010001000000050004' + '0a600001', 'hex'),
  ])
  answer.writeUInt8(answer.readUInt8(2) | 0x80, 2)
  answer.writeUInt16BE(1, 6)
  answer.writeUInt16BE(0, 10)
  return answer
}

async function answerOneBehindByHttp(): Promise<number> {
  const answers: ((text: string) => void)[] = []
  return listenTcp((socket) => {
    socket.once('data', () => {
      answers.push((text) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`))
      if (answers.length === 2) for (const [index, answer] of answers.entries()) answer(`answer ${index}`)
    })
  })
}
