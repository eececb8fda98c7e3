export {
  type AttemptOptions,
  createProber,
  type Prober,
  type ProberOptions,
  probe,
  type SeriesSession,
} from './attempt/prober.ts'
export { type Repeated, type RepeatOptions, type RepeatRequest, repeat } from './attempt/repeat.ts'
export type { ProberCounters, ScheduleCounters, Task, TaskResult } from './attempt/task.ts'
export type { CountersByResponder } from './attempt/worker/messages.ts'
export { type HandOver, type ServeOptions, serveProber, type ThreadResponders } from './attempt/worker/serve.ts'
export { createThreadProber, type ThreadProber, type ThreadProberOptions } from './attempt/worker/thread-prober.ts'
export { catalogue } from './checks/catalogue.ts'
export {
  type Check,
  type CheckDefaults,
  type CheckDefinition,
  isAboutAddresses,
  isAboutPeers,
  isSingleQuery,
  makeCheck,
  namesNoServer,
  type Path,
  type Place,
  placeAt,
  serverPaths,
  targetAt,
  type Vantage,
} from './checks/check.ts'
export * from './diagnose/index.ts'
export type { Ability } from './doctor/abilities.ts'
export { describeMeans, type ProbeMeans, type ProcessMeans } from './doctor/means.ts'
export { durationEdgesSeconds } from './mesh/duration-edges.ts'
export {
  ageText,
  clockText,
  type FailureGroup,
  failureGroups,
  failureSentence,
  nodesText,
  sinceText,
} from './mesh/failures.ts'
export {
  compareNames,
  type Inability,
  type Link,
  type LinkState,
  type Mesh,
  meshOf,
  type RowAnswer,
  type SeriesState,
  type StateAnswer,
} from './mesh/links.ts'
export {
  type Knowledge,
  type Lateness,
  type NodeConditions,
  programHeader,
  type Row,
  row,
  type Self,
  tokenHeader,
} from './mesh/row.ts'
export { idOf, type LinkKey, linkIdOf, type SeriesKey } from './mesh/series.ts'
export { type DurationsReport, flowShown, type SeriesReport, spreadShown } from './mesh/series-report.ts'
export { type Address, canonicalAddress, splitZone, usableAddressOf, whyUnusable } from './model/address.ts'
export { type Endpoint, type Family, familyNames, familyOf, responderPort } from './model/endpoint.ts'
export { messageOf, ScoutError, type ScoutErrorCode } from './model/errors.ts'
export {
  type Blame,
  FailureError,
  type FailureReason,
  type IcmpError,
  isFailureReason,
  type Outcome,
  outcomeFor,
  outcomeOf,
  reasons,
  usualReasonsOf,
} from './model/failure.ts'
export { groupBy } from './model/group-by.ts'
export { nearest } from './model/nearest.ts'
export type { Packets } from './model/packets.ts'
export { isPrintable, printable } from './model/printable.ts'
export { formatRate } from './model/rate.ts'
export { bracketed, formatHostPort, parseTarget, type TargetForm, targetForms } from './model/target.ts'
export { giveBackMemory } from './net/host/memory.ts'
export { mtuOf } from './net/host/mtu.ts'
export { nameServerOrSystem, nameServersOf, readResolvConf, systemNameServers } from './net/host/resolv-conf.ts'
export { type ResolveName, resolveBySystem } from './net/host/resolve.ts'
export type { Stray } from './net/packets/exchange.ts'
export { describeProviders, type ProviderDescription } from './net/packets/providers.ts'
export type { HopAnswers, TraceFlow, TraceHop } from './probes/hops.ts'
export {
  type AnyResult,
  isProtocol,
  isResultOf,
  type OptionsOf,
  type Protocol,
  probeNamed,
  probes,
  type ResultOf,
} from './probes/index.ts'
export type { MtuDetail } from './probes/mtu.ts'
export { type CommonOptions, commonOptions, optionsOf, parseWrittenOptions, usableAddress } from './probes/options.ts'
export type { Attempt, Need, Probe } from './probes/probe.ts'
export type { Failed, Failure, Result, Success } from './probes/result.ts'
export type { Held, Session } from './probes/session.ts'
export type { TraceDetail } from './probes/trace.ts'
export { startDnsResponder } from './responders/dns.ts'
export {
  type HttpResponder,
  type HttpResponderOptions,
  type RouteRequest,
  startHttpResponder,
} from './responders/http.ts'
export { type HttpCounters, type HttpServer, startHttpServer } from './responders/http-server.ts'
export type { Exchange } from './responders/incoming-request.ts'
export { startOnOnePort } from './responders/one-port.ts'
export type { Listen, Responder, ResponderCounters } from './responders/responder.ts'
export { createTurns } from './responders/turns.ts'
export { type Arrivals, startUdpResponder } from './responders/udp.ts'
export * from './settings/index.ts'
export { Histogram } from './statistics/histogram.ts'
export { latestMs, Ring } from './statistics/ring.ts'
export { reasonNames, rowBytes, type Slot } from './statistics/slots.ts'
export { createTally, type Statistics, type Tally } from './statistics/statistics.ts'
export {
  attemptsOf,
  type ByReason,
  Counter,
  type Counts,
  countOf,
  entriesOf,
  pathNs,
  Window,
  type Yields,
} from './statistics/window.ts'
export { type Clock, type Clocks, nowNs } from './time/clock.ts'
export { formatDurationNs, parseDurationMs } from './time/duration.ts'
