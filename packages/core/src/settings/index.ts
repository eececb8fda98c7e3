/**
 * Settings and their schemas: one derivation of flags, variables and file keys, one writer of what is wrong with a value.
 * Also a door of its own, `@scout/core/settings`, because programs that start by the hundred need nothing else of this library.
 */

export { responderPort } from '../model/endpoint.ts'
export { hintFor } from '../model/nearest.ts'
export { type Misfit, misfitOf } from './misfit.ts'
export { type Setting, settingsOf } from './setting.ts'
export { type Shape, writtenDuration, writtenName, writtenValue } from './shape.ts'
export { type Loaded, loadWritten, writtenShape } from './written.ts'
