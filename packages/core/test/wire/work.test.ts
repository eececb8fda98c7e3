import { readdir } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instrumentDecoders, mostSteps, mostText } from '../../../../test/fuzz/instrument.mjs'

const { decoders, reset, steps } = await instrumentDecoders()

/** What has no bytes of others to read. */
const encoders = [
  'encodeDnsQuestion',
  'encodeDnsReply',
  'encodeEcho',
  'encodeHmacTlv',
  'encodeName',
  'encodeNumber',
  'encodeQuestion',
  'encodeStampRequest',
  'encodeTlv',
  'encodeTraceDatagram',
  'encodeTraceEcho',
  'encodeTraceSyn',
  'expandIpv6',
  'fillerOf',
  'framed',
  'reverseName',
  'writeUint16',
  'writeUint32',
]
/** What decoders use, one step for one call. */
const parts = ['characterStringText', 'isLetter', 'numberedBytes', 'readUint16', 'readUint32']

test('every decoder is among those whose work is bounded', async () => {
  const folder = new URL('../../src/wire/', import.meta.url)
  const functions: string[] = []
  for (const file of await readdir(folder)) {
    const exported: Readonly<Record<string, unknown>> = await import(new URL(file, folder).href)
    for (const [name, value] of Object.entries(exported)) if (typeof value === 'function') functions.push(name)
  }
  const known = Object.values(decoders).flatMap(({ of }) => of)
  expect(functions.toSorted()).toEqual([...known, ...encoders, ...parts].toSorted())
})

/** Bytes of which a part is the sample, changed here and there, and a part is anything. */
function hostileBytes(sample: Uint8Array): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(fc.constantFrom(0, 0x3f, 0xc0, 0x0c, 0xff), fc.integer({ min: 0, max: 255 }))
  const change = fc.tuple(fc.nat({ max: sample.length - 1 }), byte)
  const changed = fc.array(change, { maxLength: 6 }).map((changes) => {
    const bytes = Uint8Array.from(sample)
    for (const [at, value] of changes) bytes[at] = value
    return bytes
  })
  const piece = fc.array(byte, { minLength: 1, maxLength: 24 })
  const tail = fc.tuple(piece, fc.integer({ min: 0, max: 4_000 })).map(([one, length]) => repeated(one, length))
  return fc
    .tuple(changed, fc.integer({ min: 0, max: sample.length }), tail)
    .map(([head, length, rest]) => Uint8Array.of(...head.subarray(0, length), ...rest))
}

function repeated(piece: readonly number[], length: number): number[] {
  return Array.from({ length }, (_, index) => piece[index % piece.length] ?? 0)
}

describe.for(Object.keys(decoders))('%s', (name) => {
  const { decode, sample } = decoders[name] ?? { decode: () => undefined, sample: new Uint8Array(1) }

  test('neither works nor returns more than in proportion to the bytes, whatever they are', () => {
    fc.assert(
      fc.property(hostileBytes(sample), (bytes) => {
        reset()
        const text = JSON.stringify(decode(bytes)) ?? ''
        expect(steps()).toBeLessThan(mostSteps(bytes.length))
        expect(text.length).toBeLessThan(mostText(bytes.length))
      }),
      { numRuns: 500 },
    )
  })
})

describe('a DNS answer', () => {
  const { decode, sample } = decoders['dns-answer'] ?? { decode: () => undefined, sample: new Uint8Array(1) }
  const question = sample.subarray(0, 27)

  function answerWith(counts: readonly number[], ...records: readonly Uint8Array[]): Uint8Array {
    const bytes = Uint8Array.of(...question, ...records.flatMap((record) => [...record]))
    bytes.set(counts, 6)
    return bytes
  }

  test.for<[what: string, bytes: Uint8Array]>([
    // A record of type 35 (NAPTR) that ends early made dns-packet decode the same bytes 65,535 times for each section.
    ['that claims 196,605 records and has one', answerWith([255, 255, 255, 255, 255, 255], naptr())],
    ['of 4,600 names that all point to the longest name', answerWith([0x11, 0xf8, 0, 0], ...pointers())],
    ['of pointers that lead from one to the next', answerWith([0, 1, 0, 0], chain())],
  ])('%s costs no more than in proportion to its bytes', ([, bytes]) => {
    reset()
    const text = JSON.stringify(decode(bytes)) ?? ''
    expect(steps()).toBeLessThan(mostSteps(bytes.length))
    expect(text.length).toBeLessThan(mostText(bytes.length))
  })

  function naptr(): Uint8Array {
    return Uint8Array.of(0xc0, 12, 0, 35, 0, 1, 0, 0, 0, 5, 0, 7, 0, 1, 0, 1, 255, 0, 0)
  }

  /** A record with a name of 255 bytes, and then records that consist of pointers to it. */
  function pointers(): Uint8Array[] {
    const label = [63, ...repeated([0xff], 63)]
    const long = [...label, ...label, ...label, 61, ...repeated([0xff], 61), 0]
    const first = Uint8Array.of(0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 5, 0, long.length, ...long)
    const start = question.length + 12
    const one = [0xc0 | (start >> 8), start & 0xff]
    const other = Uint8Array.of(...one, 0, 12, 0, 1, 0, 0, 0, 5, 0, 2, ...one)
    return [first, ...Array.from({ length: 4_599 }, () => other)]
  }

  /** A record whose data is a label with 8,000 pointers in it, and whose name is the last of them. */
  function chain(): Uint8Array {
    const start = question.length + 11
    const data = Array.from({ length: 8_000 }, (_, index) => {
      const target = index === 0 ? 12 : start + 2 * (index - 1)
      return [0xc0 | (target >> 8), target & 0xff]
    }).flat()
    return Uint8Array.of(0, 0, 16, 0, 1, 0, 0, 0, 5, data.length >> 8, data.length & 0xff, ...data)
  }
})
