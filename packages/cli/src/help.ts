/** A titled list for the end of a help screen. */
export function helpSection(title: string, entries: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(entries).map((term) => term.length))
  const lines = Object.entries(entries).map(([term, about]) => `  ${term.padEnd(width)}  ${about}`)
  return ['', `${title}:`, ...lines].join('\n')
}

/** Two commands to try, each without the name of the program. */
export function helpExamples(first: string, second: string): string {
  return `\nExamples:\n  $ scout-probe ${first}\n  $ scout-probe ${second}`
}
