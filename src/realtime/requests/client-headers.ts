/**
 * Header fields that client messages may set. None identifies the client; fields of the handshake do, and they override
 * fields of messages.
 */
const HARMLESS = [
  ...['accept', 'accept-language', 'x-csrf-token', 'x-xsrf-token', 'x-requested-with', 'nosession'],
  ...['x-request-id', 'traceparent', 'tracestate'],
]

export const clientHeaders = (more: readonly string[] = []): ReadonlySet<string> =>
  new Set([...HARMLESS, ...more.map(name => name.toLowerCase())])

/** False for fields that identify a client, which messages must never set. */
export const mayBeOfClient = (name: string): boolean =>
  /^[-a-z0-9_]{1,100}$/i.test(name) &&
  !/^(cookie|host|origin|forwarded|via|x-forwarded-.*|x-real-ip|x-http-method.*)$/i.test(name)

/** The headers of a handshake that also apply to the client's requests. */
export function ofHandshake(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      (field): field is [string, string] => typeof field[1] === 'string' && !OF_THE_HANDSHAKE.test(field[0]),
    ),
  )
}

const OF_THE_HANDSHAKE =
  /^(accept|accept-encoding|cache-control|connection|content-.*|expect|if-.*|keep-alive|pragma|range|sec-fetch-(dest|mode|user)|sec-websocket-.*|te|trailer|transfer-encoding|upgrade)$/
