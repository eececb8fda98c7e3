import { code, table } from './markdown.mjs'

/** @typedef {import('@scout/core').Incident} Incident */
/** @typedef {import('@scout/core').ScopeKind} ScopeKind */

/** @type {Readonly<Record<'kind' | keyof Omit<Incident, 'weights'>, string>>} */
const keys = {
  kind: 'always `incident`',
  id: 'stays the same while the links that fail do, whatever the cause, the scope and the speaker',
  cause: 'one of [these names](causes.md)',
  scope: 'where it applies: see below',
  direction:
    '`forward` (from the first end of the scope to the second), `return` (only what answers requests that go forward), `both`, or `none` where a scope has no direction; of lost packets by the counts of UDP in each direction, or, where nothing is answered, by the requests that still arrive',
  state: '`transient` until it has lasted 30 s, then `open`, at last `closed`',
  severity: '`critical`, `warning` or `informational`',
  confidence: 'probability that this is the cause, from 0 to 1',
  openedAtMs: 'milliseconds since 1970 at which the first of its failures began',
  closedAtMs: 'milliseconds since 1970 at which it ended; only of a closed one',
  summary: 'one sentence: what is wrong, where',
  evidence:
    'what fails there, what agents have collected about it (`mtu`, `flows`, `trace`) and what passes, a clause each',
  ruledOut: 'causes that the evidence excludes: `cause` and `because`',
  rivals:
    'causes that the evidence leaves possible: `cause`, `confidence` and `separatedBy`; absent where there are none',
  next: 'the command to type next',
}

/** Keys that one run cannot know. */
const timed = new Set(['id', 'state', 'openedAtMs', 'closedAtMs'])

/** @type {Readonly<Record<ScopeKind, readonly [others: readonly string[], meaning: string]>>} */
const scopes = {
  link: [['from', 'to'], 'from one node to another; in `scout-probe all`, `from` is `here` and `to` is the host'],
  node: [['node'], 'everything from and to a node'],
  'node-side': [['node', 'side'], 'everything to a node (`side` is `in`) or from it (`out`)'],
  'node-group': [['nodes'], 'everything between these nodes and the others'],
  'zone-pair': [['zones'], 'everything between two zones, or within one'],
  service: [['name'], 'a service'],
  'name-server': [['address'], 'a name server'],
  cluster: [[], 'the whole cluster'],
  prober: [['node'], 'the agent on a node, not the network'],
}

export function incidentsPage() {
  const timeless = Object.keys(keys).filter((key) => !timed.has(key))
  return `<!-- Written by npm run docs. -->

# Incidents

An incident is one cause at one place over time. As JSON it is one object, the same everywhere:

- a line of \`scout-probe mesh --json\`, before those of agents (\`kind\` is \`agent\`), links (\`link\`), checks that target no peer (\`other\`)
  and checks that agents cannot run (\`inability\`);
- a line of \`scout-probe mesh --watch --json\` whenever its cause, scope, direction or state changes;
- the same with \`--prometheus\`, after a line about the metrics (\`kind\` is \`source\`), as far as they describe it: without \`direction\` and
  \`confidence\`, with the \`kind\` of the scope alone and no evidence; \`openedAtMs\` is the time of its first sample, a week back at most.
  Those with \`isComputed\` are not of agents: see below;
- in \`incidents\` of \`/api/v1/incidents\` and \`/api/v1/mesh\` at every agent;
- a line of \`scout-probe all HOST --json\` for each cause that the results name, after the attempts, which have no \`kind\`. One run does not
  know when a trouble began, so that these lines have only ${timeless.map(code).join(', ')}.

${table(
  ['key', 'meaning'],
  Object.entries(keys).map(([key, meaning]) => [code(key), meaning]),
)}
## Scopes

${table(
  ['`kind`', 'other keys', 'what it covers'],
  Object.entries(scopes).map(([kind, [others, meaning]]) => [code(kind), others.map(code).join(', '), meaning]),
)}
## Computed from metrics

\`scout-probe mesh --prometheus\` runs the explainer of the agents over what their metrics show, and lists causes that no incident of agents may
be about, with \`isComputed\` and without \`confidence\`. An incident of agents wins if its sentence names the same node or both ends of the same
link, or if it is about more than one node. The metrics have less evidence than agents:

- only last results count, and their reason: no loss, latency, ICMP error or code, and nothing that agents collected. \`prohibited\` is left out,
  because the reason alone does not tell whether the sender or another host prohibits;
- only the default checks between nodes count, because metrics have no options: a check with the name of a default one is taken for that one.
  Flows that are kept or idle are left out, and so are name servers and services, whose addresses are not in the metrics;
- a failure must have lasted for a minute, in which agents would have reported it;
- if an agent withholds series that fail (\`metrics.series\`), or all series of a link, nothing is computed. What it withholds otherwise
  passes where another check of that link does.

## Weights

\`scout-probe mesh --explain\` and \`scout-probe all HOST --explain\` list what each check weighs for the named cause, in nats: the natural
logarithm of how much likelier what it shows is with that cause than without any. What weighs less than 0 speaks against the cause. Where
several links show the same, the weight is that of each.
`
}
