import { ChangefeedError } from '../errors.ts'

/**
 * Throws `E_CONNECT` for a URL that cannot be parsed, or that would name another server than intended: `/`, `?` or `#`
 * in a password ends the host part of the URL. The error contains no part of the URL.
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
    `The user or the password in the database URL contains a reserved character: ${ENCODE}.`,
  )

/** Omits the cause, because errors of URL parsers contain the URL. */
export const malformed = () =>
  new ChangefeedError(
    'E_CONNECT',
    `The database URL cannot be parsed. Write it as postgres://user:password@host:5432/database. If the password contains special characters, ${ENCODE}.`,
  )
