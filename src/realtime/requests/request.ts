import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'socket.io'

/** A request to a route, over HTTP or over a socket. */
export interface RealtimeRequest extends Omit<IncomingMessage, 'socket'> {
  /** Whether it came over a socket. */
  isSocket: boolean
  /** The socket of the request. Pass `req` or this to `sockets.join()` and `Model.subscribe()`. */
  socket: Socket
  path: string
  originalUrl: string
  /** Parameters of the route's path: `id` of `/user/:id`. */
  params: Record<string, string>
  query: Record<string, unknown>
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  body: any
  cookies: Record<string, string | undefined>
  /** The session that the `session` middleware loaded. Absent if the client sends the header `nosession`. */
  // biome-ignore lint/suspicious/noExplicitAny: the app's own
  session?: any
  ip: string | undefined
  /** The parameter with this name from the route, the body or the query, in this order. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  param(name: string, fallback?: unknown): any
  /** All parameters of the query, the body and the route. Later sources override earlier ones. */
  allParams(): Record<string, unknown>
  /** The header with this name. */
  get(name: string): string | undefined
  /** A request is serialized as its socket's id. */
  toJSON(): { id?: string }
}

/** The response of a route, with the response methods of Sails. */
export interface RealtimeResponse extends ServerResponse {
  /** 200, with `data` or `OK`. */
  ok(data?: unknown): void
  /** Ends with `data` as JSON. */
  json(data: unknown): void
  /** Ends with `data`: strings as text, other values as JSON. */
  send(data?: unknown): void
  status(code: number): RealtimeResponse
  set(name: string, value: string): RealtimeResponse
  /** 400, 403, 404, with `data` or the standard text for the status. */
  badRequest(data?: unknown): void
  forbidden(data?: unknown): void
  notFound(data?: unknown): void
  /** 500. The error is logged and not sent. */
  serverError(error?: unknown): void
}

export type RealtimeHandler = (req: RealtimeRequest, res: RealtimeResponse) => unknown

/** A handler in the style of Node and Express. */
export type NodeHandler = (
  // biome-ignore lint/suspicious/noExplicitAny: Express and other frameworks have their own types
  req: any,
  // biome-ignore lint/suspicious/noExplicitAny: Express and other frameworks have their own types
  res: any,
  next: (error?: unknown) => void,
) => unknown
