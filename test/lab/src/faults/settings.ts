import { type Family, tunnelInterface } from '../topology.ts'
import type { Setting } from './fault.ts'

/** A kernel setting, named by its path below `/proc/sys`. */
export function sysctl(namespace: string, key: string): Setting {
  const path = `/proc/sys/${key}`
  return {
    name: `${namespace} sysctl ${key}`,
    namespace,
    read: `cat ${path}`,
    write: (value) => `echo ${value} > ${path}`,
  }
}

/** The route to a prefix, as `ip route show` prints it; empty for no route. */
export function route(namespace: string, family: Family, prefix: string): Setting {
  const tool = family === 'ipv4' ? 'ip -4 route' : 'ip -6 route'
  return {
    name: `${namespace} route ${prefix}`,
    namespace,
    read: `${tool} show exact ${prefix}`,
    write: (value) => (value === '' ? `${tool} del ${prefix}` : `${tool} replace ${value}`),
  }
}

export function linkMtuOf(namespace: string, device: string): Setting {
  return {
    name: `${namespace} mtu ${device}`,
    namespace,
    read: `ip -o link show ${device} | sed 's/.* mtu \\([0-9]*\\).*/\\1/'`,
    write: (value) => `ip link set ${device} mtu ${value}`,
  }
}

/** What limits the rate of a link: arguments of `tc qdisc`, or `none`, with which every link of the lab begins. */
export function queue(namespace: string, device: string): Setting {
  return {
    name: `${namespace} queue ${device}`,
    namespace,
    read: 'echo none',
    write: (value) =>
      value === 'none' ? `tc qdisc del dev ${device} root` : `tc qdisc replace dev ${device} root ${value}`,
  }
}

/** The address a node sends another node's tunnelled packets to. */
export function tunnelDestination({ namespace, mac }: { readonly namespace: string; readonly mac: string }): Setting {
  return {
    name: `${namespace} tunnel ${mac}`,
    namespace,
    read: `bridge fdb show dev ${tunnelInterface} | sed -n 's/^${mac} dst \\([^ ]*\\).*/\\1/p'`,
    write: (value) => `bridge fdb replace ${mac} dev ${tunnelInterface} dst ${value}`,
  }
}

/** The hardware address of a neighbour on the node's network; `asked for`, as the kernel does it, if none is given. */
export function neighbour(namespace: string, address: string): Setting {
  return {
    name: `${namespace} neighbour ${address}`,
    namespace,
    read: 'echo asked for',
    write: (value) =>
      value === 'asked for'
        ? `ip neigh flush to ${address} dev eth0 nud all`
        : `ip neigh replace ${address} lladdr ${value} nud permanent dev eth0`,
  }
}

/** The content of a file of the lab, changed in place. */
export function file(path: string): Setting {
  return {
    name: `file ${path}`,
    read: `cat ${path}`,
    write: (value) => `cat > ${path} <<'END'\n${value.trim()}\nEND\n`,
  }
}

/** Whether a node has an address beside its own. */
export function extraAddress(namespace: string, family: Family, address: string): Setting {
  const prefix = `${address}${family === 'ipv4' ? '/32' : '/128'}`
  return {
    name: `${namespace} address ${address}`,
    namespace,
    read: `ip -o addr show dev eth0 to ${prefix} | grep -q . && echo present || echo absent`,
    write: (value) =>
      value === 'present'
        ? `ip addr add ${prefix} dev eth0${family === 'ipv6' ? ' nodad' : ''}`
        : `ip addr del ${prefix} dev eth0`,
  }
}
