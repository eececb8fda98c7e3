export type { Clock, Clocks } from './clock.ts'
export { formatDurationNs, parseDurationMs } from './duration.ts'
export type { Endpoint, Family } from './endpoint.ts'
export { ScoutError, type ScoutErrorCode } from './errors.ts'
export { type FailureReason, failureReasons } from './failure.ts'
export { describeMeans, type ProbeMeans, type ProcessMeans } from './means.ts'
export { nearest } from './nearest.ts'
export type { Ability } from './net/abilities.ts'
export type { Stray } from './net/exchange.ts'
export { describeProviders, type ProviderDescription } from './net/providers.ts'
export { nameServerOrSystem } from './net/resolv-conf.ts'
export { type CommonOptions, commonOptions, optionsOf, parseWrittenOptions, writtenName } from './options.ts'
export type { Attempt, Failed, Failure, Probe, Result, Success } from './probe.ts'
export { type AttemptOptions, createProber, type Prober, type ProberOptions, probe } from './prober.ts'
export {
  type AnyResult,
  isProtocol,
  type OptionsOf,
  type Protocol,
  probeNamed,
  probes,
  type ResultOf,
} from './probes/index.ts'
export { type RepeatOptions, type RepeatRequest, repeat } from './repeat.ts'
export { type ResolveName, resolveBySystem } from './resolve.ts'
export { startDnsResponder } from './responders/dns.ts'
export { type HttpResponderOptions, type RouteRequest, startHttpResponder } from './responders/http.ts'
export { responders } from './responders/index.ts'
export type { Listen, Responder, ResponderCounters } from './responders/responder.ts'
export { startUdpResponder } from './responders/udp.ts'
export { createTally, pathNs, type Statistics, type Tally } from './statistics.ts'
export { formatHostPort, parseTarget, type TargetForm } from './target.ts'
export { serveProber } from './worker/serve.ts'
