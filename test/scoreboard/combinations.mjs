/*
 * Several faults at one time, each of which should be named, and nothing else. And faults at moments at which they are harder to name.
 */

import { rankedWatchers } from '@scout/core'
import { hard, late, linkOf, lossy, named, nameServer, nodeOf, together, zonePair } from './expectation.mjs'

/** @typedef {import('./expectation.mjs').Expectation} Expectation */

const filtered = ['protocol-filtered']
const lostPing = [...filtered, 'icmp-filtered']
/** @type {(from: number, to: number) => { from: string, to: string }} */
const between = (from, to) => ({ from: String(from), to: String(to) })

/** @type {(number: number) => Expectation} */
const nodeDown = (number) => ({
  ...hard('node-down', { node: number }, named(['node-down'], nodeOf(number), 'none')),
  goneNodes: [`node${number}`],
})

/** With three nodes, the agent whose incidents all others show. */
const [speaker = { node: '' }] = rankedWatchers([1, 2, 3].map((number) => ({ node: `node${number}` })))
const speakerNumber = Number(speaker.node.replace('node', ''))

/** @type {readonly Expectation[]} */
export const combinations = [
  together(nodeDown(2), late('dns-slow', {}, named(['dns-slow'], nameServer, 'none'))),
  together(nodeDown(3), hard('tcp-blocked', between(1, 2), named(filtered, linkOf(1, 2), 'both'))),
  together(hard('udp-blocked', between(2, 3), named(filtered, linkOf(2, 3), 'both')), {
    ...lossy('random-loss', between(3, 4), named(['packet-loss'], linkOf(3, 4), 'both')),
    leastNodes: 4,
  }),
  together(
    { ...hard('zone-partition', {}, named(['zone-partition'], zonePair, 'both')), leastNodes: 6 },
    hard('port-blocked', { from: 'any', to: '2' }, named(filtered, nodeOf(2), 'both')),
  ),
  together(
    hard('mtu-blackhole', between(2, 3), named(['mtu-black-hole'], linkOf(2, 3), 'both')),
    hard('dns-servfail', {}, named(['dns-error'], nameServer, 'none')),
  ),
  together(
    hard('ipv6-dead', between(2, 3), named(['family-broken'], linkOf(2, 3), 'both')),
    hard('icmp-blocked', between(1, 2), named(lostPing, linkOf(1, 2), 'both')),
  ),
  together(
    { ...nodeDown(4), leastNodes: 4 },
    hard('udp-blocked', between(2, 3), named(filtered, linkOf(2, 3), 'both')),
    hard('dns-servfail', {}, named(['dns-error'], nameServer, 'none')),
  ),
  together(
    { ...hard('mtu-blackhole', between(2, 3), named(['mtu-black-hole'], linkOf(2, 3), 'both')), leastNodes: 4 },
    hard('icmp-blocked', between(1, 4), named(lostPing, linkOf(1, 4), 'both')),
    hard('ipv6-dead', between(3, 4), named(['family-broken'], linkOf(3, 4), 'both')),
  ),
]

const blocked = hard('tcp-blocked', between(2, 3), named(filtered, linkOf(2, 3), 'both'))
/** Its direction shows after 15 s of failures, which agents report later than their rows. */
const lostBackward = {
  ...hard(
    'one-way-loss',
    { ...between(2, 3), direction: 'backward' },
    named(['packet-loss', 'routing-broken', 'overlay-blocked'], linkOf(3, 2), 'forward'),
  ),
  attemptsUntil: 40,
}

/** @type {readonly Expectation[]} */
export const moments = [
  { ...blocked, name: 'tcp-blocked before the agents start', isEarly: true },
  { ...nodeDown(2), name: 'node-down before the agents start', isEarly: true },
  { ...blocked, name: 'tcp-blocked during a rollout, as the agents say', meanwhile: 'rollout', isOfAgents: true },
  { ...blocked, name: 'tcp-blocked, as the agents say', isOfAgents: true },
  { ...lostBackward, name: 'one-way-loss of answers, as the agents say', isOfAgents: true },
  { ...nodeDown(speakerNumber), name: 'node-down of the speaker, as the agents say', isOfAgents: true, mostNodes: 3 },
]
