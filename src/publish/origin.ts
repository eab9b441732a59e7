import type { MessageMeta } from './mapping/record-event.ts'

/** The origin of a change that an action of a Sails app wrote during a request. */
export interface Origin {
  /** The process that ran the action. */
  readonly node: string
  /** Identifies the request within the process. */
  readonly request: string
  /** Whether the action is a blueprint, which publishes by itself. */
  readonly blueprint: boolean
  /** The requesting socket. Absent for HTTP. */
  readonly socketId?: string
  /** Whether the requesting socket receives its own changes as well. */
  readonly mirror: boolean
}

/**
 * The text for the comment in the SQL statement. It contains no client input: the server generates socket ids, and an id
 * with unexpected characters is omitted.
 */
export function formatOrigin({ node, request, blueprint, socketId = '', mirror }: Origin): string {
  const flags = `${blueprint ? 'b' : 'a'}${mirror ? 'm' : ''}`
  return ['sails', node, request, flags, /^[\w-]{1,64}$/.test(socketId) ? socketId : ''].join(':')
}

/** Undefined for an origin that was not written by {@link formatOrigin}. */
export function parseOrigin(text: string | undefined): Origin | undefined {
  const parts = /^sails:([a-z0-9]+):([a-z0-9]+):([ab])(m?):([\w-]*)$/.exec(text ?? '')
  if (!parts) return undefined
  const [, node = '', request = '', kind, mirror, socketId = ''] = parts
  return { node, request, blueprint: kind === 'b', mirror: mirror === 'm', ...(socketId && { socketId }) }
}

/** The id of the socket that must not receive the change. Free text if an app or another tool set the origin. */
export function socketNamed(origin: string | undefined): string | undefined {
  const known = parseOrigin(origin)
  if (!known) return origin
  return known.mirror ? undefined : known.socketId
}

/** `meta` as clients may see it: without the id of the requesting socket. */
export function shownMeta({ origin, ...meta }: MessageMeta): MessageMeta {
  return origin === undefined || parseOrigin(origin) ? meta : { ...meta, origin }
}
