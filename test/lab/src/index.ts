export { parseAssignments } from './command/assignments.ts'
export { LabError, type LabErrorCode } from './errors.ts'
export type { Fault } from './faults/fault.ts'
export { faults, findFault } from './faults/index.ts'
export { specFor } from './faults/needs.ts'
export { planFault } from './faults/plan.ts'
export type { Injection } from './injection.ts'
export { Lab, openLab } from './lab.ts'
export type { LabProcess, Output, ProcessOptions } from './process.ts'
export { type LabSpec, type LabSpecInput, podPort } from './spec.ts'
export {
  type ByFamily,
  buildTopology,
  type Family,
  type Node,
  type Pod,
  type Service,
  type Topology,
  type Zone,
} from './topology.ts'
