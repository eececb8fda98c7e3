/**
 * Settings and their schemas: derives flags, variables and file keys, and explains invalid values.
 * Also exported separately as `@scout/core/settings`, for short-lived programs that need only this part of the library.
 */

export { responderPort } from '../model/endpoint.ts'
export { hintFor } from '../model/nearest.ts'
export { type Misfit, misfitOf } from './misfit.ts'
export { type Setting, settingsOf } from './setting.ts'
export { hiddenSecret, type Shape, writtenDuration, writtenName, writtenValue } from './shape.ts'
export { type Loaded, loadWritten, writtenShape } from './written.ts'
