/**
 * Header fields that the messages of a client may set: none that says who asks or from where. The handshake says that, and
 * what it says of a field goes before what a message says.
 */
const HARMLESS = [
  ...['accept', 'accept-language', 'x-csrf-token', 'x-xsrf-token', 'x-requested-with', 'nosession'],
  ...['x-request-id', 'traceparent', 'tracestate'],
]

export const clientHeaders = (more: readonly string[] = []): ReadonlySet<string> =>
  new Set([...HARMLESS, ...more.map(name => name.toLowerCase())])

/** False for fields by which a server knows its client; those are never taken from a message. */
export const mayBeOfClient = (name: string): boolean =>
  /^[-a-z0-9_]{1,100}$/i.test(name) &&
  !/^(cookie|host|origin|forwarded|via|x-forwarded-.*|x-real-ip|x-http-method.*)$/i.test(name)

/** What a handshake says of its client, for the client's requests: all but what is about the handshake itself. */
export function ofHandshake(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      (field): field is [string, string] => typeof field[1] === 'string' && !OF_THE_HANDSHAKE.test(field[0]),
    ),
  )
}

const OF_THE_HANDSHAKE =
  /^(accept|accept-encoding|cache-control|connection|content-.*|expect|if-.*|keep-alive|pragma|range|sec-fetch-(dest|mode|user)|sec-websocket-.*|te|trailer|transfer-encoding|upgrade)$/
