/*
 * Decodes metrics of OTLP, without the code that encodes them. The numbers of fields are those of opentelemetry/proto/metrics/v1/metrics.proto,
 * common/v1/common.proto and resource/v1/resource.proto.
 */

export interface ReceivedMetrics {
  readonly resource: Attributes
  readonly metrics: readonly ReceivedMetric[]
}

type Attributes = Readonly<Record<string, string>>

export interface ReceivedMetric {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: 'gauge' | 'sum' | 'histogram'
  /** 2: cumulative; 0 for a gauge. */
  readonly temporality: number
  readonly isMonotonic: boolean
  readonly points: readonly ReceivedPoint[]
}

export interface ReceivedPoint {
  readonly attributes: Attributes
  readonly startMs: number
  readonly atMs: number
  /** Of a gauge or sum. */
  readonly value: number
  /** Of a histogram. */
  readonly count: number
  readonly sum: number
  readonly bucketCounts: readonly number[]
  readonly bounds: readonly number[]
}

/** Decodes an ExportMetricsServiceRequest about one resource. */
export function decodedMetrics(bytes: Buffer): ReceivedMetrics {
  const [about = Buffer.alloc(0)] = fieldsOf(bytes).all(1)
  const resourceMetrics = fieldsOf(about)
  return {
    resource: attributesOf(fieldsOf(resourceMetrics.one(1)), 1),
    metrics: resourceMetrics.all(2).flatMap((scope) => fieldsOf(scope).all(2).map(metricOf)),
  }
}

/** Encodes an ExportMetricsServiceResponse that rejects this many points, fewer than 128. */
export function partialSuccess(rejected: number, message: string): Buffer {
  const text = Buffer.from(message)
  const partial = Buffer.concat([Buffer.from([0x08, rejected, 0x12, text.length]), text])
  return Buffer.concat([Buffer.from([0x0a, partial.length]), partial])
}

const kinds = [
  ['gauge', 5],
  ['sum', 7],
  ['histogram', 9],
] as const

function metricOf(bytes: Buffer): ReceivedMetric {
  const fields = fieldsOf(bytes)
  const [kind, number] = kinds.find(([, field]) => fields.all(field).length > 0) ?? ['gauge', 5]
  const data = fieldsOf(fields.one(number))
  return {
    name: fields.one(1).toString(),
    description: fields.one(2).toString(),
    unit: fields.one(3).toString(),
    kind,
    temporality: data.number(2),
    isMonotonic: data.number(3) === 1,
    points: data.all(1).map((point) => pointOf(fieldsOf(point), kind)),
  }
}

function pointOf(fields: Fields, kind: ReceivedMetric['kind']): ReceivedPoint {
  const isHistogram = kind === 'histogram'
  const times = (number: number) => Number(fields.one(number).readBigUInt64LE() / 1_000_000n)
  const eights = (number: number) => {
    const bytes = fields.one(number)
    return Array.from({ length: bytes.length / 8 }, (_, index) => bytes.subarray(index * 8))
  }
  return {
    attributes: attributesOf(fields, isHistogram ? 9 : 7),
    startMs: times(2),
    atMs: times(3),
    value: isHistogram ? 0 : fields.one(4).readDoubleLE(),
    count: isHistogram ? Number(fields.one(4).readBigUInt64LE()) : 0,
    sum: isHistogram ? fields.one(5).readDoubleLE() : 0,
    bucketCounts: isHistogram ? eights(6).map((bytes) => Number(bytes.readBigUInt64LE())) : [],
    bounds: isHistogram ? eights(7).map((bytes) => bytes.readDoubleLE()) : [],
  }
}

function attributesOf(fields: Fields, number: number): Attributes {
  const pairs = fields.all(number).map((bytes) => {
    const pair = fieldsOf(bytes)
    return [pair.one(1).toString(), fieldsOf(pair.one(2)).one(1).toString()]
  })
  return Object.fromEntries(pairs)
}

interface Fields {
  /** Returns the bytes of each occurrence of a field. */
  all(number: number): readonly Buffer[]
  /** Returns the bytes of a field; none if it is absent. */
  one(number: number): Buffer
  /** Returns the value of a field of type varint; 0 if it is absent. */
  number(number: number): number
}

/** Splits a message of protocol buffers (https://protobuf.dev/programming-guides/encoding/). */
function fieldsOf(bytes: Buffer): Fields {
  const found: { readonly number: number; readonly bytes: Buffer; readonly value: number }[] = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes.readUInt8(at++)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }
  const take = (length: number) => {
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = varint()
    const number = tag >> 3
    switch (tag & 7) {
      case 0:
        found.push({ number, value: varint(), bytes: Buffer.alloc(0) })
        break
      case 1:
        found.push({ number, value: 0, bytes: take(8) })
        break
      case 2:
        found.push({ number, value: 0, bytes: take(varint()) })
        break
      default:
        throw new Error(`a field of wire type ${tag & 7}`)
    }
  }
  const all = (number: number) => found.filter((field) => field.number === number)
  return {
    all: (number) => all(number).map((field) => field.bytes),
    one: (number) => all(number)[0]?.bytes ?? Buffer.alloc(0),
    number: (number) => all(number)[0]?.value ?? 0,
  }
}
