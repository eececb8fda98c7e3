import { getSystemErrorMap } from 'node:util'

/** Returns the name of an errno. libuv lacks ENONET, which stands for ICMP "source host isolated" (net/ipv4/icmp.c `icmp_err_convert`). */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? (errno === 64 ? 'ENONET' : `E${errno}`)
}
