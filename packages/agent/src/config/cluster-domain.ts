import { existsSync, readFileSync } from 'node:fs'

/** The domain of the cluster whose names this process resolves; undefined where it resolves no cluster's. */
export function clusterDomain(resolvConf = '/etc/resolv.conf'): string | undefined {
  if (!existsSync(resolvConf)) return undefined
  // The kubelet writes "search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN".
  return /^search(?:\s.*)?\ssvc\.(\S+)/m.exec(readFileSync(resolvConf, 'utf8'))?.[1]
}
