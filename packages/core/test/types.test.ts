import { describe, expectTypeOf, test } from 'vitest'
import type { AnyResult, OptionsOf, Protocol, probe, ResultOf } from '../src/index.ts'

// Nothing runs here: a violated assertion does not compile.

describe('options', () => {
  test('are those of the protocol and of every probe, all optional', () => {
    expectTypeOf<{ payloadBytes: number; timeoutMs: number }>().toExtend<OptionsOf<'udp'>>()
    expectTypeOf<{ timeoutMs: number; family: 'ipv4' }>().toExtend<OptionsOf<'tcp'>>()
    expectTypeOf<{}>().toExtend<OptionsOf<Protocol>>()
  })

  test('of another protocol, or of another type, do not compile', () => {
    expectTypeOf<'payloadBytes'>().not.toExtend<keyof OptionsOf<'tcp'>>()
    expectTypeOf<{ payloadBytes: string }>().not.toExtend<OptionsOf<'udp'>>()
    expectTypeOf<{ family: 'ipv5' }>().not.toExtend<OptionsOf<'tcp'>>()
  })

  test('may include a signal when making an attempt', () => {
    expectTypeOf<typeof probe<'tcp'>>().toBeCallableWith('tcp', '127.0.0.1:1', {
      timeoutMs: 1,
      signal: new AbortController().signal,
    })
  })
})

describe('a result', () => {
  test('is discriminated by its protocol, and a success by ok', () => {
    expectTypeOf<Extract<AnyResult, { protocol: 'dns' }>>().toEqualTypeOf<ResultOf<'dns'>>()
    expectTypeOf<Extract<ResultOf<'http'>, { ok: true }>['detail']['statusCode']>().toEqualTypeOf<number>()
    expectTypeOf<Extract<ResultOf<'http'>, { ok: true }>>().not.toHaveProperty('failure')
    expectTypeOf<Extract<ResultOf<'http'>, { ok: false }>['detail']>().toEqualTypeOf<
      Partial<Extract<ResultOf<'http'>, { ok: true }>['detail']> | undefined
    >()
  })

  test('has the phases of its probe, and resolve', () => {
    expectTypeOf<keyof ResultOf<'http'>['phasesNs']>().toEqualTypeOf<
      'resolve' | 'connect' | 'tls' | 'write' | 'server' | 'transfer'
    >()
    expectTypeOf<keyof ResultOf<'tcp'>['phasesNs']>().toEqualTypeOf<'resolve' | 'connect' | 'answer'>()
  })
})
