import { spawnSync } from 'node:child_process'
import { vi } from 'vitest'
import type { Need, Requirement } from '../../../support/requirements.ts'

const attempt = ['--user', '--map-root-user', '--net', '--mount', '--pid', '--fork', '--mount-proc', 'true']

/** User namespaces, which some machines forbid; the lab itself says how to allow them. */
const userNamespaces: Requirement = {
  isMet: process.platform === 'linux' && spawnSync('unshare', attempt).status === 0,
  reason: 'needs user namespaces (unshare --user --net)',
}

/** What every test needs that builds a lab. */
export const labNeeds: readonly Need[] = [userNamespaces, 'ip', 'nft', 'iptables', 'ping', 'curl', 'dig']

/** For suites whose tests start processes by the dozen: a busy machine may take its time. */
export function allowTime(): void {
  vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })
}
