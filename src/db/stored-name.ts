/** NAMEDATALEN - 1. */
export const NAME_BYTES_MAX = 63

/**
 * Truncates a name as Postgres does: to 63 bytes, at a character boundary. Postgres counts bytes in the database's
 * encoding, which is assumed to be UTF8 here; ASCII names are the same in every encoding.
 *
 * @example
 * storedName('x'.repeat(80)).length // 63
 */
export function storedName(name: string): string {
  if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return name
  let stored = ''
  let bytes = 0
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > NAME_BYTES_MAX) break
    stored += character
  }
  return stored
}
