import { z } from 'zod'

/** A kind of object, in one namespace or in all; or one of them, or a part of one. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespace?: string | undefined
  /** A pod's may end in `:` and a port, for its proxy. */
  readonly name?: string
  readonly subresource?: 'exec' | 'proxy'
}

/** What is done with a resource, as roles name it. */
export type Verb = 'create' | 'get' | 'list' | 'watch'

/** Why nothing was learned from an API server: one sentence with the remedy. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** No answer; an answer that says no; an answer that makes no sense. */
  readonly kind: 'unreachable' | 'refused' | 'unreliable'
  /** HTTP status, if there was an answer. */
  readonly status: number | undefined
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined
  /** What the server itself said, if it said no as Kubernetes does. */
  readonly said: string | undefined

  constructor(kind: ApiError['kind'], message: string, options: ApiErrorOptions = {}) {
    super(message, options)
    this.kind = kind
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
    this.said = options.said
  }
}

interface ApiErrorOptions extends ErrorOptions {
  readonly status?: number
  readonly retryAfterMs?: number
  readonly said?: string | undefined
}

interface Refusal {
  readonly server: string
  readonly resource: Resource
  readonly verb: Verb
  readonly status: number
  readonly body: string
  readonly retryAfter: string | undefined
}

/** The error behind an answer other than 200. */
export function refusalOf(refusal: Refusal): ApiError {
  const { status, body, retryAfter } = refusal
  const seconds = Number(retryAfter ?? Number.NaN)
  const said = saidBy(body)
  return new ApiError('refused', sentenceOf(refusal, said), {
    status,
    said,
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  })
}

/** The error behind a connection that could not be made or broke. */
export function unreachable(server: string, cause: unknown): ApiError {
  const { message, code } = causeOf(cause)
  const remedy = remedies[code] ?? (/certificate|self.signed/i.test(message) ? untrusted : 'look at the way there')
  return new ApiError('unreachable', `cannot reach the API server at ${server}: ${message} (${remedy})`, { cause })
}

const untrusted = 'give its certificate authority in the kubeconfig'

const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'check the address, and that the API server or kubectl proxy runs there',
  ENOTFOUND: 'check the name',
  EPROTO: 'check whether it speaks http instead of https',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: set tls-server-name in the kubeconfig',
}

const statusObject = z.looseObject({ message: z.string() })

function sentenceOf({ server, resource, verb, status }: Refusal, said: string | undefined): string {
  const what = ruleOf(resource)
  if (status === 401) {
    return `${server} does not accept these credentials (401): log in again, or renew the token in the kubeconfig or of the service account`
  }
  if (status === 403 && said !== undefined) {
    const where = resource.namespace === undefined ? 'in the whole cluster' : `in namespace ${resource.namespace}`
    return `no right to ${verb} ${partOf(resource)} in API group "${resource.group}" ${where}: grant it with ${grantOf(resource, verb, said)}`
  }
  if (status === 403 && resource.subresource === 'exec') {
    return `${server} passes no command on (403): start kubectl proxy with --reject-paths='^/api/.*/pods/.*/attach', or take a kubeconfig instead`
  }
  if (status === 410) return `${server} no longer knows the version that was asked for (410)`
  if (status === 404 && said !== undefined && resource.name === undefined) {
    return `${server} does not serve ${what}/${resource.version}: Kubernetes 1.21 or newer is needed`
  }
  if (said === undefined) {
    return `${server} answered ${status} with something that is no Kubernetes answer: check that it is the address of an API server`
  }
  return `${server} refused to ${verb} ${what} (${status}): ${said}`
}

/** The kubectl commands that give the right to whoever the server says has it not. */
function grantOf(resource: Resource, verb: Verb, said: string): string {
  const { namespace } = resource
  const user = /User "([^"]+)"/.exec(said)?.[1] ?? 'system:serviceaccount:scout:scout'
  const account = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(user)?.[1]
  const subject = account === undefined ? `--user='${user}'` : `--serviceaccount=${account}`
  const rule = `--verb=${verbsWith[verb].join(',')} --resource=${ruleOf(resource)}`
  const name = `scout-${partOf(resource).replace('/', '-')}`
  return namespace === undefined
    ? `kubectl create clusterrole ${name} ${rule} && kubectl create clusterrolebinding ${name} --clusterrole=${name} ${subject}`
    : `kubectl create role ${name} -n ${namespace} ${rule} && kubectl create rolebinding ${name} -n ${namespace} --role=${name} ${subject}`
}

/** What is needed together: who watches lists, too; a command is run by getting a connection, and since Kubernetes 1.35 by creating it. */
const verbsWith: Readonly<Record<Verb, readonly Verb[]>> = {
  create: ['get', 'create'],
  get: ['get'],
  list: ['get', 'list', 'watch'],
  watch: ['get', 'list', 'watch'],
}

function partOf({ plural, subresource }: Resource): string {
  return subresource === undefined ? plural : `${plural}/${subresource}`
}

/** As rules and kubectl write it: `endpointslices.discovery.k8s.io`, `pods/exec`. */
function ruleOf(resource: Resource): string {
  return resource.group === '' ? partOf(resource) : `${resource.plural}.${resource.group}`
}

function saidBy(body: string): string | undefined {
  try {
    return statusObject.safeParse(JSON.parse(body)).data?.message
  } catch {
    return undefined // not the API server's: a page of something in between
  }
}

function causeOf(cause: unknown): { readonly message: string; readonly code: string } {
  if (!(cause instanceof Error)) return { message: String(cause), code: '' }
  // Attempts on several addresses of a name come as one error without a message of its own (RFC 8305).
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const error = inner instanceof Error ? inner : cause
  return { message: error.message, code: 'code' in error && typeof error.code === 'string' ? error.code : '' }
}
