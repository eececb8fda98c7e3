import { flows } from './flows.ts'
import { mtu } from './mtu.ts'
import type { Proof } from './proof.ts'
import { trace } from './trace.ts'
import { train } from './train.ts'

/** All proofs by name. To add one, create a file in this folder and name it here; causes name those that decide about them. */
const all = { mtu, flows, trace, train }

export type ProofName = keyof typeof all

export const proofs: Readonly<Record<ProofName, Proof>> = all

export function isProofName(name: string): name is ProofName {
  return Object.hasOwn(proofs, name)
}
