import { z } from 'zod'

/** A kind of object in one namespace or in all, one object of it, or a subresource of that object. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespace?: string | undefined
  /** For the proxy of a pod it ends in `:` and a port. */
  readonly name?: string
  readonly subresource?: 'exec' | 'proxy'
}

/** Action on a resource, as roles name it. */
export type Verb = 'create' | 'get' | 'list' | 'watch'

/** A failed request to an API server: one sentence with the remedy. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** Without an answer; rejected; answered with something that cannot be used. */
  readonly kind: 'unreachable' | 'refused' | 'unreliable'
  /** HTTP status, if there was an answer. */
  readonly status: number | undefined
  /** How long the server asks to wait before the next request (Retry-After). */
  readonly retryAfterMs: number | undefined
  /** Message of the Kubernetes Status object, where the answer is one. */
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

/** Whether the same request may succeed later: the server could not be reached, or could not answer. */
export function isTemporary({ kind, status = 0 }: ApiError): boolean {
  return kind === 'unreachable' || (kind === 'refused' && (status === 401 || status === 429 || status >= 500))
}

interface Refusal {
  readonly server: string
  readonly resource: Resource
  readonly verb: Verb
  readonly status: number
  readonly body: string
  readonly retryAfter: string | undefined
}

/** Returns the error for an answer other than success. */
export function refusalOf(refusal: Refusal): ApiError {
  const { status, body, retryAfter } = refusal
  const seconds = Number(retryAfter ?? Number.NaN)
  const { message: said, kind } = statusIn(body)
  // What is behind the proxy of a pod answers for itself: this says nothing about the credentials for the API server.
  if (refusal.resource.subresource === 'proxy' && said !== undefined && kind !== 'Status') {
    return new ApiError('refused', said, { said })
  }
  return new ApiError('refused', sentenceOf(refusal, said), {
    status,
    said,
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  })
}

/** Returns the error for a connection that failed or broke. */
export function unreachable(server: string, cause: unknown): ApiError {
  const { message, code } = causeOf(cause)
  const remedy =
    remedies[code] ?? (/certificate|self.signed/i.test(message) ? untrusted : 'check the network path to it')
  return new ApiError('unreachable', `cannot reach the API server at ${server}: ${message} (${remedy})`, { cause })
}

const untrusted = 'set its certificate authority in the kubeconfig'

const remedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'check the address, and that the API server or kubectl proxy runs there',
  ENOTFOUND: 'check the name',
  EPROTO: 'check whether it speaks http instead of https',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: set tls-server-name in the kubeconfig',
}

const statusObject = z.looseObject({ message: z.string(), kind: z.string().optional() })

function sentenceOf({ server, resource, verb, status }: Refusal, said: string | undefined): string {
  const what = ruleOf(resource)
  if (status === 401) {
    return `${server} does not accept these credentials (401): log in again, or renew the token in the kubeconfig or of the service account`
  }
  if (status === 403 && said !== undefined) {
    const where = resource.namespace === undefined ? 'in the whole cluster' : `in namespace ${resource.namespace}`
    return `not permitted to ${verb} ${partOf(resource)} in API group "${resource.group}" ${where}: grant it with ${grantOf(resource, verb, said)}`
  }
  if (status === 403 && resource.subresource === 'exec') {
    return `${server} does not pass commands on (403): start kubectl proxy with --reject-paths='^/api/.*/pods/.*/attach', or use a kubeconfig instead`
  }
  if (status === 410) return `${server} no longer has the requested version (410)`
  if (status === 404 && said !== undefined && resource.name === undefined) {
    return `${server} does not serve ${what}/${resource.version}: Kubernetes 1.21 or newer is needed`
  }
  if (said === undefined) {
    return `${server} answered ${status}, but not as Kubernetes does: check that it is the address of an API server`
  }
  return `${server} rejected ${verb} of ${what} (${status}): ${said}`
}

/** Returns the kubectl commands that grant the permission to the user that the server names. */
function grantOf(resource: Resource, verb: Verb, said: string): string {
  const { namespace } = resource
  const user = /User "([^"]+)"/.exec(said)?.[1] ?? 'system:serviceaccount:scout:scout'
  const account = /^system:serviceaccount:([^:]+:[^:]+)$/.exec(user)?.[1]
  const subject = account === undefined ? `--user='${user}'` : `--serviceaccount=${account}`
  const rule = `--verb=${verbsWith(resource, verb).join(',')} --resource=${ruleOf(resource)}`
  const name = `scout-${partOf(resource).replace('/', '-')}`
  return namespace === undefined
    ? `kubectl create clusterrole ${name} ${rule} && kubectl create clusterrolebinding ${name} --clusterrole=${name} ${subject}`
    : `kubectl create role ${name} -n ${namespace} ${rule} && kubectl create rolebinding ${name} -n ${namespace} --role=${name} ${subject}`
}

/** Returns verbs that are needed together: a watch begins with a list, and exec is a get, since Kubernetes 1.35 a create. */
function verbsWith({ subresource }: Resource, verb: Verb): readonly Verb[] {
  switch (verb) {
    case 'create':
      return subresource === 'exec' ? ['get', 'create'] : ['create']
    case 'get':
      return ['get']
    case 'list':
    case 'watch':
      return ['get', 'list', 'watch']
  }
}

function partOf({ plural, subresource }: Resource): string {
  return subresource === undefined ? plural : `${plural}/${subresource}`
}

/** As rules and kubectl write it: `endpointslices.discovery.k8s.io`, `pods/exec`. */
function ruleOf(resource: Resource): string {
  return resource.group === '' ? partOf(resource) : `${resource.plural}.${resource.group}`
}

function statusIn(body: string): Partial<z.output<typeof statusObject>> {
  try {
    return statusObject.safeParse(JSON.parse(body)).data ?? {}
  } catch {
    return {} // sent by something else, such as a proxy in between
  }
}

function causeOf(cause: unknown): { readonly message: string; readonly code: string } {
  if (!(cause instanceof Error)) return { message: String(cause), code: '' }
  // Node reports attempts on several addresses of a name as one error without a message (RFC 8305).
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  const error = inner instanceof Error ? inner : cause
  return { message: error.message, code: 'code' in error && typeof error.code === 'string' ? error.code : '' }
}
