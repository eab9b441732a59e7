/** NAMEDATALEN - 1. */
export const NAME_BYTES_MAX = 63

/**
 * A name as the catalog has it: Postgres keeps the first 63 bytes of a longer one, and never a part of a character. It
 * counts bytes of the database's encoding, here taken to be UTF8; for names in ASCII every encoding gives the same.
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
