/** Control and format characters, which show nothing, and separators of lines and paragraphs (Unicode Standard, chapter 23). */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * Replaces the characters of text from elsewhere that a terminal would obey, with which a name could forge a line of a log, turn the direction
 * of what follows, or look like another one.
 */
export function printable(text: string): string {
  return text.replaceAll(unprintable, '\u{fffd}')
}

export function isPrintable(text: string): boolean {
  return printable(text) === text
}
