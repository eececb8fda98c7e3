/** What others than the agent may ask of a cluster and of the agents in it: the door of this folder. */

export type { Peer, PeerState } from '../peers/peer.ts'
export { podLines } from '../peers/pod-lines.ts'
export { type AccessChoice, chooseAccess } from './access.ts'
export type { ApiAccess } from './api.ts'
export { ApiError } from './api-error.ts'
export { type ExecRequest, execInPod, type RemoteProcess } from './exec.ts'
export { askAgent, findScouts, type Scout } from './find-scouts.ts'
