import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { changedFact } from '../../src/diagnose/evidence.ts'
import { explain } from '../../src/diagnose/explain/explain.ts'
import { shellWord } from '../../src/diagnose/shell.ts'
import { worldOf } from './world.ts'

test.each(['node-1', '10.0.0.2:8081', '[fd00::1]:8081', 'http://10.0.0.2:8081/bytes?size=100000', 'name@10.96.0.10'])(
  'a usual word is left as it is: %s',
  (word) => {
    expect(shellWord(word)).toBe(word)
  },
)

test.each(['10.0.0.2; reboot', '$(reboot)', '`reboot`', "it's", 'a b', '', '&& x', '*'])(
  'a shell reads any other word back as it was: %s',
  (word) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word)
  },
)

test('the next command has nothing that a target would have a shell run', () => {
  const world = worldOf([({ to }) => (to.name === 'node3' ? { symptom: 'silent', trials: 10 } : undefined)])
  const facts = world.facts.map((fact) => changedFact(fact, { target: `${fact.target}; reboot` }))
  const commands = explain({ ...world, facts }).map(({ next }) => next)
  expect(commands).not.toEqual([])
  for (const command of commands) expect(command.replaceAll(/'[^']*'/g, '')).not.toContain(';')
})
