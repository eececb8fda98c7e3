/** Returns an endpoint as Kubernetes writes it (default: of a ready pod). */
export function endpoint(pod: string, addresses: readonly string[], more: Readonly<Record<string, unknown>> = {}) {
  return {
    addresses,
    conditions: conditions('ready'),
    nodeName: `node-of-${pod}`,
    zone: 'zone-1',
    targetRef: { kind: 'Pod', name: pod, namespace: 'scout', uid: `uid-of-${pod}` },
    ...more,
  }
}

export function conditions(state: 'starting' | 'ready' | 'leaving') {
  return { ready: true, serving: state === 'ready', terminating: state === 'leaving' }
}

/** Returns an EndpointSlice of the Service, with the responder on port 8081. */
export function endpointSlice(
  name: string,
  endpoints: readonly object[] | null,
  { namespace = 'scout', service = 'scout', port = 8081 } = {},
) {
  return {
    metadata: {
      name,
      namespace,
      labels: {
        'app.kubernetes.io/name': 'scout',
        'kubernetes.io/service-name': service,
        'service.kubernetes.io/headless': '',
      },
    },
    addressType: 'IPv4',
    endpoints,
    ports: [
      { name: 'console', port: 8080, protocol: 'TCP' },
      { name: 'responder', port, protocol: 'TCP' },
    ],
  }
}
