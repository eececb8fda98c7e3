/**
 * Replaces the control characters of text from elsewhere, which a terminal would obey, and with which a name could forge a line of a log;
 * so could characters that turn the direction of what follows.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '\u{fffd}')
}
