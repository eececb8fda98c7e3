import type { Table } from '../faults/fault.ts'

/** The `nft -f` text of a fault's table. */
export function compileTable(name: string, { family, hooks, sets = [], rules }: Table): string {
  return [
    `table ${family} ${name} {`,
    '  counter hits { }',
    ...sets.map((set) => `  ${set}`),
    '  chain fault {',
    ...rules.map((rule) => `    ${rule.replaceAll(/ {2,}/g, ' ')}`),
    '  }',
    ...hooks.flatMap(({ type = 'filter', hook, priority }) => [
      `  chain at-${hook} {`,
      `    type ${type} hook ${hook} priority ${priority}`,
      '    jump fault',
      '  }',
    ]),
    '}',
    '',
  ].join('\n')
}
