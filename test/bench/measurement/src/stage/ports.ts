/** Where the responders of a far host listen. */
export const ports = { dns: 53, http: 80, echo: 7, udp: 8081, irtt: 2112, sockperf: 11111 } as const
