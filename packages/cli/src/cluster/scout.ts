import { type ApiAccess, ApiError, chooseAccess, findScouts, type Scout } from '@scout/agent/kubernetes'
import { ScoutError } from '@scout/core'
import type { ClusterFlags } from '../flags/cluster-flags.ts'
import { CommandError, exitCodes } from '../shell/exit-code.ts'
import type { Io } from '../shell/io.ts'

/** Longest wait for an answer from the API server. */
export const answerMs = 5_000

/** The selected Scout, and the access to its API server. */
export interface FoundScout extends Scout {
  readonly access: ApiAccess
}

/** Returns the access to the API server that the flags select. @throws {ScoutError} if there is none */
export function accessOf(flags: ClusterFlags, { environment }: Pick<Io, 'environment'>): Promise<ApiAccess> {
  return chooseAccess({ ...flags, environment })
}

/**
 * Finds the Scout that the flags select.
 * @throws {ScoutError} if they select none, or several
 * @throws {CommandError} if the API server does not answer, or rejects the request
 */
export async function findScout(
  flags: ClusterFlags,
  access: ApiAccess,
  { ended }: Pick<Io, 'ended'>,
): Promise<FoundScout> {
  const { namespace, service } = flags
  const all = await asking(ended, async () => {
    try {
      return await findScouts({ access, namespace, signal: ended, answerMs })
    } catch (error) {
      const isTooMuch = error instanceof ApiError && error.status === 403 && namespace === undefined
      throw isTooMuch ? withoutNamespace(error) : error
    }
  })
  const scouts = all.filter((scout) => service === undefined || scout.service === service)
  const [scout] = scouts
  if (scout === undefined) throw new ScoutError('invalid-option', noneSentence(flags, access))
  if (scouts.length > 1) throw new ScoutError('invalid-option', severalSentence(scouts))
  const place = `service ${scout.service} in namespace ${scout.namespace}`
  if (scout.agents.length === 0) {
    throw new CommandError(
      exitCodes.failed,
      `${place} has no pods of Scout: check kubectl get daemonsets,pods -n ${scout.namespace}`,
    )
  }
  return { ...scout, access }
}

/** Runs a request to an API server; its error ends the command. @throws {CommandError} */
export async function asking<T>(ended: AbortSignal, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ApiError) throw new CommandError(exitCodeOf(error), error.message, { cause: error })
    if (ended.aborted) throw new CommandError(exitCodes.failed, 'stopped before an answer arrived', { cause: error })
    throw error
  }
}

function exitCodeOf({ status }: ApiError) {
  return status === 401 || status === 403 ? exitCodes.unable : exitCodes.failed
}

function withoutNamespace(error: ApiError): CommandError {
  return new CommandError(
    exitCodes.unable,
    `cannot search all namespaces for Scout (set its namespace with -n): ${error.message}`,
    { cause: error },
  )
}

function noneSentence({ namespace, service }: ClusterFlags, { server }: ApiAccess): string {
  const what = service === undefined ? 'no Scout' : `no service ${service} of Scout`
  const where = namespace === undefined ? 'in any namespace' : `in namespace ${namespace}`
  const other =
    namespace === undefined && service === undefined ? '' : ', or omit -n and --service to search everywhere'
  return `there is ${what} ${where} of the cluster at ${server}: install it with kubectl apply -f deploy/scout.yaml${other}`
}

function severalSentence(scouts: readonly Scout[]): string {
  const namespaces = [...new Set(scouts.map(({ namespace }) => namespace))].toSorted()
  const services = scouts.map(({ service }) => service).toSorted()
  return namespaces.length > 1
    ? `several namespaces have a Scout (${namespaces.join(', ')}): choose one with -n`
    : `namespace ${namespaces.join()} has several Scouts (services ${services.join(', ')}): choose one with --service`
}
