/** Returns a word as a shell reads it back. Names and targets are claims of others, and people paste commands that contain them. */
export function shellWord(word: string): string {
  return /^[\w.:/?@%[\]=,+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
