/**
 * Mutants that change nothing anybody could notice, so that no test can, by file: `from` becomes `to` in the line `at`.
 * `npm run test:mutation` fails if one of them no longer exists, or if a test notices it.
 *
 * @type {Readonly<Record<string, readonly { at: string, from: string, to: string, reason: string }[]>>}
 */
export const equivalents = {
  'packages/agent/src/memory/memory.ts': [
    {
      at: 'if (idleSinceMs !== undefined && nowMs - idleSinceMs >= keptMs) series.delete(id)',
      from: 'idleSinceMs !== undefined',
      to: 'true',
      reason: 'no comparison with undefined holds; only the compiler cannot know',
    },
    {
      at: 'if (idle.size <= keptZones) return',
      from: 'idle.size <= keptZones',
      to: 'false',
      reason: 'with so few zones, all of them are among the newest that are kept',
    },
    {
      at: 'if (idle.size <= keptZones) return',
      from: 'idle.size <= keptZones',
      to: 'idle.size < keptZones',
      reason: 'with so few zones, all of them are among the newest that are kept',
    },
  ],
  'packages/agent/src/memory/settlement.ts': [
    {
      at: 'const queue = queues.get(id) ?? []',
      from: '[]',
      to: '["Stryker was here"]',
      reason: 'its timer is cleared when a queue is dropped, so that there is one; only the compiler cannot know',
    },
    {
      at: "const pending: Pending = { task, peerId: peer === 'none' ? undefined : peer.id, ended, isDue: !isAboutPeer }",
      from: "peer === 'none'",
      to: 'false',
      reason: 'a text has no id either; only the compiler cannot know',
    },
    {
      at: "const pending: Pending = { task, peerId: peer === 'none' ? undefined : peer.id, ended, isDue: !isAboutPeer }",
      from: "'none'",
      to: '""',
      reason: 'a text has no id either; only the compiler cannot know',
    },
    {
      at: 'const before = changesNs.get(peerId) ?? []',
      from: '[]',
      to: '["Stryker was here"]',
      reason: 'a text is not later than a number, so that it is left out as what is too old',
    },
    {
      at: 'if (queue[0]?.peerId !== peerId) continue',
      from: 'queue[0]?.peerId',
      to: 'queue[0].peerId',
      reason: 'a queue has at least one result; only the compiler cannot know',
    },
  ],
  'packages/agent/src/peers/roster.ts': [
    {
      at: "let knowledge: Knowledge = { peers: [], source: 'nothing yet', heardAtMs: 0 }",
      from: '[]',
      to: '["Stryker was here"]',
      reason: 'peers are read after a report only; only the compiler cannot know',
    },
    {
      at: 'if (found === undefined || before === undefined) return',
      from: 'found === undefined || before === undefined',
      to: 'false',
      reason: 'every contact is that of a peer; only the compiler cannot know',
    },
    {
      at: 'if (found === undefined || before === undefined) return',
      from: 'found === undefined || before === undefined',
      to: 'found === undefined && before === undefined',
      reason: 'every contact is that of a peer; only the compiler cannot know',
    },
    {
      at: 'if (found === undefined || before === undefined) return',
      from: 'found === undefined',
      to: 'false',
      reason: 'every contact is that of a peer; only the compiler cannot know',
    },
    {
      at: 'if (found === undefined || before === undefined) return',
      from: 'before === undefined',
      to: 'false',
      reason: 'every contact is that of a peer; only the compiler cannot know',
    },
    {
      at: 'clearTimeout(contacts.get(id)?.timer)',
      from: 'contacts.get(id)?.timer',
      to: 'contacts.get(id).timer',
      reason: 'every peer has a contact; only the compiler cannot know',
    },
  ],
  'packages/cli/src/shell/exit-code.ts': [
    {
      at: 'const reasons = runs.flatMap(({ failures }) => Object.keys(failures)).filter(isFailureReason)',
      from: 'runs.flatMap(({ failures }) => Object.keys(failures)).filter(isFailureReason)',
      to: 'runs.flatMap(({ failures }) => Object.keys(failures))',
      reason: 'the keys are reasons by their type; the filter only tells the compiler so',
    },
  ],
  'packages/core/src/attempt/result-batches.ts': [
    {
      at: 'if (dueNs < wakesAtNs) flush()',
      from: 'dueNs < wakesAtNs',
      to: 'dueNs <= wakesAtNs',
      reason: 'a nanosecond in a second',
    },
  ],
  'packages/core/src/attempt/rounds.ts': [
    {
      at: 'for (const one of holding) if (turnNs - one.startedNs > holdMs * 1e6) holding.delete(one)',
      from: 'turnNs - one.startedNs > holdMs * 1e6',
      to: 'turnNs - one.startedNs >= holdMs * 1e6',
      reason: 'a nanosecond in ten milliseconds',
    },
    {
      at: 'if (due.length > 0) batches.touch()',
      from: 'due.length > 0',
      to: 'true',
      reason: 'the timer is set for a round, so that one is always due',
    },
    {
      at: 'if (due.length > 0) batches.touch()',
      from: 'due.length > 0',
      to: 'due.length >= 0',
      reason: 'the timer is set for a round, so that one is always due',
    },
    {
      at: 'if (startedNs - waitsSince(entry) > task.place.intervalNs) counters.late++',
      from: 'startedNs - waitsSince(entry) > task.place.intervalNs',
      to: 'startedNs - waitsSince(entry) >= task.place.intervalNs',
      reason: 'a nanosecond in an interval',
    },
    {
      at: 'round?.entries.delete(entry)',
      from: 'round?.entries',
      to: 'round.entries',
      reason: 'the round of an entry exists; only the compiler cannot know',
    },
    {
      at: 'if (round?.entries.size === 0) rounds.delete(idOf(place))',
      from: 'round?.entries',
      to: 'round.entries',
      reason: 'the round of an entry exists; only the compiler cannot know',
    },
  ],
  'packages/core/src/mesh/failures.ts': [
    {
      at: 'groupBy(single, (group) => `${likeness(group)} from ${group.links[0]?.from}`),',
      from: 'group.links[0]?.from',
      to: 'group.links[0].from',
      reason: 'a group has at least one link; only the compiler cannot know',
    },
    {
      at: 'groupBy(single, (group) => `${likeness(group)} to ${group.links[0]?.to}`),',
      from: 'group.links[0]?.to',
      to: 'group.links[0].to',
      reason: 'a group has at least one link; only the compiler cannot know',
    },
    {
      at: "return groupBy(failing, ({ reason, phase, family = '' }) => `${reason} ${phase} ${family}`).flatMap((alike) => {",
      from: "''",
      to: '"Stryker was here!"',
      reason: 'a part of a key; no family has that name',
    },
    {
      at: 'if (first === undefined) return []',
      from: '[]',
      to: '["Stryker was here"]',
      reason: 'a group has at least one member; only the compiler cannot know',
    },
    {
      at: 'if (first === undefined) return []',
      from: 'first === undefined',
      to: 'false',
      reason: 'a group has at least one member; only the compiler cannot know',
    },
    {
      at: "return [links[0]?.to === undefined, ...checks, family, reason, phase].join(' ')",
      from: 'links[0]?.to === undefined',
      to: 'links[0]?.to !== undefined',
      reason: 'a part of a key, which tells the same links apart',
    },
    {
      at: "return [links[0]?.to === undefined, ...checks, family, reason, phase].join(' ')",
      from: 'links[0]?.to',
      to: 'links[0].to',
      reason: 'a group has at least one link; only the compiler cannot know',
    },
    {
      at: "if (first === undefined) throw new TypeError('a group has at least one member')",
      from: "'a group has at least one member'",
      to: '""',
      reason: 'a group has at least one member; only the compiler cannot know',
    },
    {
      at: "if (first === undefined) throw new TypeError('a group has at least one member')",
      from: 'first === undefined',
      to: 'false',
      reason: 'a group has at least one member; only the compiler cannot know',
    },
    {
      at: "const last = words.at(-1) ?? ''",
      from: "''",
      to: '"Stryker was here!"',
      reason: 'a failure names at least one check; only the compiler cannot know',
    },
  ],
  'packages/core/src/mesh/links.ts': [
    {
      at: "const names = new Intl.Collator('en', { numeric: true })",
      from: "'en'",
      to: '""',
      reason: 'names of nodes have no letters that languages sort in different ways',
    },
  ],
  'packages/core/src/net/packets/exchange.ts': [
    {
      at: 'const sockets: (PacketSocket | undefined)[] = []',
      from: '[]',
      to: '["Stryker was here"]',
      reason: 'the first socket is opened at once, and takes its place',
    },
    {
      at: 'if (shot === undefined) continue',
      from: 'shot === undefined',
      to: 'false',
      reason: 'there is a shot for each socket; only the compiler cannot know',
    },
    {
      at: 'const state = { ticket: -1, mayBeOurs: false, likelyError: undefined }',
      from: '-1',
      to: '+1',
      reason: 'sending sets the ticket before anything reads it',
    },
    {
      at: "return typeof key === 'number' ? key | 0 : key",
      from: "typeof key === 'number'",
      to: 'false',
      reason: 'only saves time',
    },
    {
      at: "return typeof key === 'number' ? key | 0 : key",
      from: "'number'",
      to: '""',
      reason: 'only saves time',
    },
    {
      at: 'return to.port === port && (to.address === address || withoutZone(to.address) === withoutZone(address))',
      from: 'to.address === address',
      to: 'false',
      reason: 'only saves time: equal addresses are equal without their zones, too',
    },
  ],
  'packages/core/src/net/packets/fate.ts': [
    {
      at: "if (fate.kind === 'silent' && fate.lateNs !== undefined) late++",
      from: "fate.kind === 'silent'",
      to: 'true',
      reason: 'no other fate has a late answer; only the compiler cannot know',
    },
  ],
  'packages/core/src/net/tcp/http-exchange.ts': [
    {
      at: 'if (alteredAt !== undefined) response.alteredAt = alteredAt',
      from: 'alteredAt !== undefined',
      to: 'true',
      reason: 'it is undefined before, too',
    },
    {
      at: 'if (response.body.length < keepBytes) response.body = Buffer.concat([response.body, chunk]).subarray(0, keepBytes)',
      from: 'response.body.length < keepBytes',
      to: 'true',
      reason: 'only saves time: more than that is cut off',
    },
    {
      at: 'if (response.body.length < keepBytes) response.body = Buffer.concat([response.body, chunk]).subarray(0, keepBytes)',
      from: 'response.body.length < keepBytes',
      to: 'response.body.length <= keepBytes',
      reason: 'only saves time: more than that is cut off',
    },
    {
      at: 'client.end(sendBytes > 0 ? fillerOf(sendBytes) : undefined)',
      from: 'sendBytes > 0',
      to: 'true',
      reason: 'only saves time: a body without bytes is not sent',
    },
    {
      at: 'client.end(sendBytes > 0 ? fillerOf(sendBytes) : undefined)',
      from: 'sendBytes > 0',
      to: 'sendBytes >= 0',
      reason: 'only saves time: a body without bytes is not sent',
    },
    {
      at: 'if (this.destroyed || this.#isEnded || bytes?.length === 0) return',
      from: 'bytes?.length === 0',
      to: 'false',
      reason: 'only saves time: a stream delivers no empty chunk',
    },
    {
      at: "const { code, reason } = { code: '', reason: error.message, ...error }",
      from: "''",
      to: '"Stryker was here!"',
      reason: 'no code begins in this way either',
    },
  ],
  'packages/core/src/net/tcp/http-heads.ts': [
    {
      at: 'const head = parts.length === 1 ? parts[0] : Buffer.concat(parts)',
      from: 'parts.length === 1',
      to: 'false',
      reason: 'only saves time: the bytes are the same',
    },
    {
      at: 'const status = /^HTTP\\/\\d\\.\\d (\\d{3})/.exec(start)?.[1]',
      from: '/^HTTP\\/\\d\\.\\d (\\d{3})/',
      to: '/HTTP\\/\\d\\.\\d (\\d{3})/',
      reason: 'the text is no longer than what matches',
    },
    {
      at: "if (status?.startsWith('1') && status !== '101') return 'informational'",
      from: "'informational'",
      to: '""',
      reason: 'only the other two are compared with',
    },
    {
      at: 'const both = tail.length === 0 ? bytes : Buffer.concat([tail, bytes])',
      from: 'tail.length === 0',
      to: 'false',
      reason: 'only saves time: the bytes are the same',
    },
    {
      at: "const lengths = fields.flatMap(([, values = '']) => values.split(',')).map((value) => value.trim())",
      from: "''",
      to: '"Stryker was here!"',
      reason: 'every match has values; only the compiler cannot know',
    },
    {
      at: "const [length = ''] = lengths",
      from: "''",
      to: '"Stryker was here!"',
      reason: 'without a length there are less than two; only the compiler cannot know',
    },
  ],
  'packages/core/src/time/deadline.ts': [
    {
      at: 'if (this.#first === undefined) this.#first = listener',
      from: 'this.#first === undefined',
      to: 'false',
      reason: 'the field for the first listener only saves a set',
    },
    {
      at: 'if (this.#first === undefined) this.#first = listener',
      from: 'this.#first === undefined',
      to: 'this.#first !== undefined',
      reason: 'then it stays undefined, and all listeners are in the set',
    },
  ],
}
