/** The door of this folder: what the command line uses of it. */

export type { Peer, PeerState } from '../peers/peer.ts'
export { podLines } from '../peers/pod-lines.ts'
export { type AccessChoice, chooseAccess } from './access.ts'
export type { ApiAccess } from './api.ts'
export { ApiError } from './api-error.ts'
export { type ExecRequest, execInPod, type RemoteProcess } from './exec.ts'
export { askAgent, findScouts, type Scout } from './find-scouts.ts'
