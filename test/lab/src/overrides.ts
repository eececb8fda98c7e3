import type { Setting } from './faults/fault.ts'

/** Runs a setting's script and answers what it prints. */
export type RunSetting = (setting: Setting, script: string) => Promise<string>

interface Overridden {
  readonly setting: Setting
  readonly original: string
  current: string
  /** The value of each fault, in the order of injection; the last one holds. */
  readonly wishes: Map<string, string>
}

/**
 * Settings changed by faults. Several faults may change the same setting and be healed in any order: the value of the
 * latest remaining fault holds, and when none remains, the original one.
 */
export class Overrides {
  readonly #run: RunSetting
  readonly #overridden = new Map<string, Overridden>()

  constructor(run: RunSetting) {
    this.#run = run
  }

  async set(owner: string, setting: Setting, value: string): Promise<void> {
    let entry = this.#overridden.get(setting.name)
    if (entry === undefined) {
      const original = (await this.#run(setting, setting.read)).trim()
      entry = { setting, original, current: original, wishes: new Map() }
      this.#overridden.set(setting.name, entry)
    }
    entry.wishes.set(owner, value)
    try {
      await this.#settle(entry)
    } catch (error) {
      entry.wishes.delete(owner)
      throw error
    }
  }

  async release(owner: string, setting: Setting): Promise<void> {
    const entry = this.#overridden.get(setting.name)
    if (entry === undefined) return
    entry.wishes.delete(owner)
    await this.#settle(entry)
    if (entry.wishes.size === 0) this.#overridden.delete(setting.name)
  }

  async #settle(entry: Overridden): Promise<void> {
    const wanted = [...entry.wishes.values()].at(-1) ?? entry.original
    if (wanted === entry.current) return
    await this.#run(entry.setting, entry.setting.write(wanted))
    entry.current = wanted
  }
}
