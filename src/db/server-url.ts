import { ChangefeedError } from '../errors.ts'

/**
 * Throws `E_CONNECT` for a URL that cannot be read, or that would be read as another server than was meant: a password with
 * `/`, `?` or `#` in it ends the part of the URL that names the server. The error holds no part of the URL.
 */
export function assertReadable(connectionString: string): void {
  const [, server = '', rest = ''] = /^postgres(?:ql)?:\/\/([^/?#]*)(.*)$/is.exec(connectionString) ?? []
  const endsEarly = !server.includes('@') && /^[/?#][^=]*@/s.test(rest)
  if (endsEarly || !isDecodable(server)) throw unencoded()
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const ENCODE =
  "percent-encode it, as node -p 'encodeURIComponent(process.argv[1])' PASSWORD does (/ is %2F, ? is %3F, # is %23, @ is %40, % is %25)"

const unencoded = () =>
  new ChangefeedError(
    'E_CONNECT',
    `The user or the password in the URL of the database holds a character that has a meaning in URLs: ${ENCODE}.`,
  )

/** Without the cause: the errors of URL parsers hold the URL. */
export const malformed = () =>
  new ChangefeedError(
    'E_CONNECT',
    `The URL of the database cannot be read. Write it as postgres://user:password@host:5432/database. If the password holds special characters, ${ENCODE}.`,
  )
