// npm run check:words: rejects phrases that make readers stumble, and suggests what to write instead. CONTRIBUTING.md has the rules.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../command.mjs'

const better = {
  anew: 'again, or a verb with re-',
  'be it': 'whether it is, or name the cases',
  'but for': 'except for, without',
  'for want of': 'because there is no, without',
  'had better': 'should',
  'none of its own': 'say what it lacks: it has no',
  'none of their own': 'say what they lack: they have no',
  'nothing but': 'only',
  "of one's own": 'separate, its own',
  'so long': 'as long as, or the duration',
  'to be had': 'available',
  'unless given': 'default: …',
  'what came of': 'the result of',
  'whatever comes': 'say what comes',
  'whatever says': 'say what it is',
  whoever: 'name the actor: a process that, anyone who',
  whomever: 'name the person or program',
  whom: 'name the person or program, or use who',
}

const isRead = /\.(?:ts|tsx|mjs|js|c|h|gyp|md|yaml|yml|tpl|txt|css|html|sh)$|values\.schema\.json$|Containerfile$/
const isExempt = /^(?:LICENSE|CHANGELOG\.md|package-lock\.json|scripts\/check\/words\.mjs|\.changeset\/.*)$/

// A line break within a comment may separate two words.
const gap = String.raw`(?:[ \t]+|[ \t]*\r?\n[ \t]*(?:\*|//|#|>)?[ \t]*)`
const phrases = Object.keys(better).map((phrase) => phrase.split(' ').join(gap))
const pattern = new RegExp(`(?<![\\w-])(?:${phrases.join('|')})(?![\\w-])`, 'gi')

const found = files().flatMap(findingsIn)
if (found.length > 0) console.error(found.join('\n'))
process.exitCode = found.length === 0 ? 0 : 1

function files() {
  const listing = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  return listing.split('\n').filter((path) => isRead.test(path) && !isExempt.test(path) && existsSync(join(root, path)))
}

/** @param {string} path */
function findingsIn(path) {
  const text = readFileSync(join(root, path), 'utf8')
  return Array.from(text.matchAll(pattern), (match) => {
    const line = text.slice(0, match.index).split('\n').length
    const phrase = match[0].toLowerCase().split(new RegExp(gap)).join(' ')
    return `${path}:${line}: "${phrase}": ${better[/** @type {keyof typeof better} */ (phrase)]}`
  })
}
