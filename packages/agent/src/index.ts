export { type Agent, type AgentEvents, type AgentParts, createAgent } from './agent.ts'
export type { AgentRow } from './memory/row.ts'
export type { Discovery, Knowledge } from './peers/knowledge.ts'
export type { Peer, PeerState } from './peers/peer.ts'
