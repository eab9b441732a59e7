import type { MessageMeta } from './mapping/record-event.ts'

/** What the origin of a change says of the request in which an action of a Sails app wrote it. */
export interface Origin {
  /** The process that ran the action. */
  readonly node: string
  /** The request, among those of this process. */
  readonly request: string
  /** Whether the action is a blueprint's, which publishes by itself. */
  readonly blueprint: boolean
  /** The socket that asked; absent for HTTP. */
  readonly socketId?: string
  /** Whether the socket that asked is told as well. */
  readonly mirror: boolean
}

/**
 * As the text that travels in a comment of the SQL statement. Nothing that a client can choose gets in: a socket's id is
 * the server's, and left out if it has any character that such ids do not have.
 */
export function formatOrigin({ node, request, blueprint, socketId = '', mirror }: Origin): string {
  const flags = `${blueprint ? 'b' : 'a'}${mirror ? 'm' : ''}`
  return ['sails', node, request, flags, /^[\w-]{1,64}$/.test(socketId) ? socketId : ''].join(':')
}

/** Undefined for an origin that an app or another tool set. */
export function parseOrigin(text: string | undefined): Origin | undefined {
  const parts = /^sails:([a-z0-9]+):([a-z0-9]+):([ab])(m?):([\w-]*)$/.exec(text ?? '')
  if (!parts) return undefined
  const [, node = '', request = '', kind, mirror, socketId = ''] = parts
  return { node, request, blueprint: kind === 'b', mirror: mirror === 'm', ...(socketId && { socketId }) }
}

/** What this origin names as the socket that asked, and that is not told: free text, where an app or another tool set it. */
export function socketNamed(origin: string | undefined): string | undefined {
  const known = parseOrigin(origin)
  if (!known) return origin
  return known.mirror ? undefined : known.socketId
}

/** `meta` as clients may see it: which socket asked is nobody else's business. */
export function shownMeta({ origin, ...meta }: MessageMeta): MessageMeta {
  return origin === undefined || parseOrigin(origin) ? meta : { ...meta, origin }
}
