/** Explains how to let a process open raw sockets and observe packets. */
export const rawSocketRemedy =
  'this process lacks CAP_NET_RAW (in a pod: securityContext.capabilities.add: ["NET_RAW"]; on a host: run as root)'

/** Explains how to let a process open ping sockets (ip(7), net.ipv4.ping_group_range). */
export const pingSocketRemedy =
  'net.ipv4.ping_group_range does not include the group of this process (in a pod: securityContext.sysctls; on a host: sysctl -w net.ipv4.ping_group_range="0 2147483647")'
