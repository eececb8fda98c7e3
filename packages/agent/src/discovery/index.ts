/** What others than the agent may ask of a cluster and of the agents in it: the door of this folder. */

export type { Peer, PeerState } from '../peer.ts'
export { podLines } from '../pod-lines.ts'
export { type AccessChoice, chooseAccess } from './access.ts'
export { askAgent, findScouts, type Scout } from './agents.ts'
export type { ApiAccess } from './api.ts'
export { ApiError } from './api-error.ts'
export { type ExecRequest, execInPod, type RemoteProcess } from './exec.ts'
