/** IP version of an endpoint. */
export type Family = 'ipv4' | 'ipv6'

/** The address a target stands for. `port` is absent for protocols without ports. */
export interface Endpoint {
  readonly host: string
  readonly address: string
  readonly family: Family
  readonly port?: number
}
