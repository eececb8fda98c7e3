export { type AttemptOptions, createProber, type Prober, type ProberOptions, probe } from './attempt/prober.ts'
export { type RepeatOptions, type RepeatRequest, repeat } from './attempt/repeat.ts'
export { serveProber } from './attempt/worker/serve.ts'
export type { Ability } from './doctor/abilities.ts'
export { describeMeans, type ProbeMeans, type ProcessMeans } from './doctor/means.ts'
export type { Endpoint, Family } from './model/endpoint.ts'
export { ScoutError, type ScoutErrorCode } from './model/errors.ts'
export {
  type Blame,
  type FailureReason,
  type IcmpError,
  isFailureReason,
  type Outcome,
  outcomeFor,
  outcomeOf,
  reasons,
} from './model/failure.ts'
export { nearest } from './model/nearest.ts'
export { formatHostPort, parseTarget, type TargetForm } from './model/target.ts'
export { nameServerOrSystem } from './net/host/resolv-conf.ts'
export { type ResolveName, resolveBySystem } from './net/host/resolve.ts'
export type { Stray } from './net/packets/exchange.ts'
export { describeProviders, type ProviderDescription } from './net/packets/providers.ts'
export {
  type AnyResult,
  isProtocol,
  type OptionsOf,
  type Protocol,
  probeNamed,
  probes,
  type ResultOf,
} from './probes/index.ts'
export { type CommonOptions, commonOptions, optionsOf, parseWrittenOptions, writtenName } from './probes/options.ts'
export type { Attempt, Failed, Failure, Probe, Result, Success } from './probes/probe.ts'
export { startDnsResponder } from './responders/dns.ts'
export { type HttpResponderOptions, type RouteRequest, startHttpResponder } from './responders/http.ts'
export { responders } from './responders/index.ts'
export type { Listen, Responder, ResponderCounters } from './responders/responder.ts'
export { startUdpResponder } from './responders/udp.ts'
export { createTally, pathNs, type Statistics, type Tally } from './statistics/statistics.ts'
export type { Clock, Clocks } from './time/clock.ts'
export { formatDurationNs, parseDurationMs } from './time/duration.ts'
