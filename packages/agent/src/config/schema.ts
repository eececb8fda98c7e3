import { hostname } from 'node:os'
import { commonOptions, responderPort } from '@scout/core'
import { z } from 'zod'
import { mountedNamespace } from '../kubernetes/service-account.ts'
import { ipAddress, plainName, writtenDnsPods, writtenPeers } from '../peers/peer.ts'
import { anyAddress, ownAddresses } from './host.ts'
import { writtenCheck } from './written-check.ts'

const secondMs = 1_000
const minuteMs = 60 * secondMs
const dayMs = 24 * 60 * minuteMs

export const leastExportIntervalMs = secondMs

/** A setting whose default is computed at startup; `defaultText` describes that default. */
const computed = <Schema extends z.ZodType, Value>(schema: Schema, defaultText: string, make: () => Value) =>
  schema
    .optional()
    .transform((value) => value ?? make())
    .meta({ defaultText })

/** An optional setting; `defaultText` describes what applies without it. */
const optional = <Schema extends z.ZodType>(schema: Schema, defaultText: string) =>
  schema.optional().meta({ defaultText })

const listen = (defaultPort: number) => ({
  host: computed(z.string(), ':: if this host has IPv6, otherwise 0.0.0.0', anyAddress).describe(
    'address to listen on; :: accepts both families',
  ),
  port: z.int().min(0).max(65_535).default(defaultPort).describe('port to listen on; 0 picks a free port'),
})

/**
 * The whole configuration: the only place for names, meanings and defaults. A name that ends in `Ms` is written without that ending, with a
 * duration as its value. File keys, flags, variables, help, the chart's schema and the reference page derive from it.
 */
export const configSchema = z.strictObject({
  name: computed(plainName.min(1), 'the host name', hostname).describe('name of this agent, unique among its peers'),
  namespace: computed(plainName, 'namespace of the service account', mountedNamespace).describe(
    'namespace of the pod and its peers',
  ),
  node: optional(plainName.min(1), 'name of the agent').describe('node that the agent runs on'),
  zone: plainName.optional().describe('zone of the node'),
  addresses: computed(z.array(ipAddress), 'addresses of its interfaces', ownAddresses).describe(
    'addresses of the agent',
  ),
  hostAddresses: z.array(ipAddress).default([]).describe('addresses of the node'),
  log: z.enum(['json', 'text']).default('json').describe('log format; text prints peers and each result'),
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('lowest level of the JSON log; debug includes each result (of a stream, up to twenty packets)'),
  intervalMs: z
    .number()
    .min(10)
    .max(dayMs)
    .default(10 * secondMs)
    .describe('general interval of checks; udp sends up to twenty packets in it, expensive checks run every third'),
  timeoutMs: z
    .number()
    .min(1)
    .max(10 * minuteMs)
    .default(commonOptions.parse({}).timeoutMs)
    .describe('timeout of checks that set none'),
  settleMs: optional(
    z
      .number()
      .min(0)
      .max(10 * minuteMs),
    '5s; 40s with discovery dns',
  ).describe('how long a peer must stay ready before its failure counts'),
  graceMs: z
    .number()
    .min(0)
    .max(10 * minuteMs)
    .default(2 * secondMs)
    .describe('how long to keep answering after saying goodbye to all peers'),
  probedNodes: z
    .int()
    .min(1)
    .default(64)
    .describe('maximum number of nodes to probe; in a larger mesh each agent probes a sample, a part of which rotates'),
  maxInFlight: z.int().min(1).default(256).describe('maximum number of attempts in flight'),
  console: z
    .strictObject({
      ...listen(8080),
      names: z
        .array(z.string().regex(/^[\w.-]+$/, 'write a host name alone, without scheme and port'))
        .default([])
        .describe('further host names that requests may name, such as that of an Ingress'),
      token: z
        .string()
        .regex(/^[\x21-\x7e]*$/, 'write printable ASCII without spaces')
        .default('')
        .meta({ writeOnly: true })
        .describe(
          'secret that readers of page, API and metrics must send as a bearer token; none: anyone may read. With it, agents show what others know only if they share responder.key',
        ),
    })
    .prefault({})
    .describe('page, API and metrics'),
  metrics: z
    .strictObject({
      series: z
        .int()
        .min(0)
        .default(500)
        .describe(
          'maximum number of time series about single links; beyond it, a fixed sample of the checks and those that fail',
        ),
      runtime: z.boolean().default(false).describe('also show event loop, heap and garbage collection of Node'),
    })
    .prefault({})
    .describe('what Prometheus reads, and OTLP sends'),
  historyFile: optional(z.string().min(1), 'none: a restart loses the history').describe(
    'file that keeps the history of links across restarts; each agent needs one of its own',
  ),
  otlp: z
    .strictObject({
      endpoint: optional(z.string(), 'OTEL_EXPORTER_OTLP_ENDPOINT; without it, nothing is sent').describe(
        'OpenTelemetry collector to send the metrics to over HTTP, such as http://otel-collector:4318; /v1/metrics is added',
      ),
      intervalMs: optional(z.int().min(leastExportIntervalMs).max(dayMs), 'OTEL_METRIC_EXPORT_INTERVAL or 1m').describe(
        'time between exports',
      ),
    })
    .prefault({})
    .describe(
      'export of the metrics by OTLP; the variables OTEL_EXPORTER_OTLP_… of OpenTelemetry apply, such as …_HEADERS',
    ),
  responder: z
    .strictObject({
      ...listen(responderPort),
      key: z
        .string()
        .default('')
        .meta({ writeOnly: true })
        .describe('secret shared by all agents, for UDP and goodbyes'),
    })
    .prefault({})
    .describe('endpoint that peers probe: HTTP, TCP and UDP on one port'),
  discovery: z
    .enum(['auto', 'kubernetes', 'dns', 'static'])
    .default('auto')
    .describe(
      'source of peers; auto: the list if there is one, otherwise Kubernetes if available, otherwise dns in a pod',
    ),
  service: z
    .string()
    .min(1)
    .default('scout')
    .describe('headless Service of all agents; with discovery dns, a full DNS name works too'),
  kubeApi: z
    .string()
    .optional()
    .describe('API server that needs no credentials, such as http://127.0.0.1:8081 of kubectl proxy --port=8081'),
  kubeconfig: optional(z.string(), 'KUBECONFIG or ~/.kube/config').describe('kubeconfig file'),
  context: optional(z.string(), 'the current one').describe('context of the kubeconfig'),
  nodeConditions: z.boolean().default(false).describe('watch node conditions; needs a cluster-wide permission'),
  nodeEvents: z
    .boolean()
    .default(false)
    .describe(
      'write incidents as Events of the nodes they name; needs the permission to create them in namespace default',
    ),
  peersFile: z.string().optional().describe('YAML file with a list of peers; reloaded when it changes'),
  peers: writtenPeers.default([]).describe('fixed list of peers'),
  dnsService: z
    .string()
    .regex(/^[a-z0-9-]+\/[a-z0-9-]+$/, 'write NAMESPACE/NAME, such as kube-system/kube-dns')
    .optional()
    .describe(
      'Service of cluster DNS, as NAMESPACE/NAME, whose pods are also queried one by one; needs the permission to watch its EndpointSlices',
    ),
  dnsPods: writtenDnsPods.default([]).describe('fixed list of servers of cluster DNS to query one by one'),
  checks: optional(
    z.record(z.string(), writtenCheck),
    'every protocol to every peer, and dns inside a cluster',
  ).describe('checks by name, each with a probe, a target and options'),
})

/** Every setting as parsed by the schema, before derived defaults are filled in. */
export type Settings = z.output<typeof configSchema>
