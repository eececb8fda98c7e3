/** Who this agent is. */
export interface Self {
  readonly name: string
  readonly namespace?: string | undefined
  readonly node: string
  readonly zone?: string | undefined
  readonly addresses: readonly string[]
  /** Addresses of its node. */
  readonly nodeAddresses: readonly string[]
  readonly version: string
}
