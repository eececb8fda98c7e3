import { expect, test } from 'vitest'
import { traces } from '../src/paths/traces.ts'

const network = {
  target: '10.9.4.2',
  hops: [['10.9.1.2'], ['10.9.21.2', '10.9.22.2'], undefined, ['10.9.4.2']],
  inside: (argv: readonly string[]) => argv,
  reset: () => Promise.resolve(),
  mtuBytes: () => 1500,
  sent: () => Promise.resolve(0),
}

/** Returns of each answer of a tool whether it is right. */
function judge(tool: string, output: string): readonly boolean[] | undefined {
  return traces.find((each) => each.tool === tool && each.what === 'four flows')?.answersOf(output, network)
}

test('of MDA all ways of all hops must be right', () => {
  const found = (...second: readonly string[]) =>
    JSON.stringify({
      type: 'tracelb',
      nodes: [
        { addr: '10.9.1.2', links: [second.map((addr) => ({ addr })), [{ addr: '*' }], [{ addr: '10.9.4.2' }]] },
        ...second.map((addr) => ({ addr })),
      ],
    })
  expect(judge('scamper MDA', found('10.9.21.2', '10.9.22.2'))).toEqual([true])
  expect(judge('scamper MDA', found('10.9.21.2', '10.9.5.2'))).toEqual([false])
})

test('each report of mtr is judged by itself', () => {
  const report = (...hosts: readonly string[]) =>
    `${JSON.stringify({ report: { hubs: hosts.map((host) => ({ host })) } }, undefined, 4)}\n`
  const output = report('10.9.1.2', '10.9.21.2', '???', '10.9.4.2') + report('10.9.1.2', '10.9.31.2', '???', '10.9.4.2')
  expect(judge('mtr', output)).toEqual([true, false])
})
