import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'socket.io'

/** A request to a route, over HTTP or over a socket. */
export interface RealtimeRequest extends Omit<IncomingMessage, 'socket'> {
  /** Whether it came over a socket. */
  isSocket: boolean
  /** The socket that it came over: pass `req` or this to `sockets.join()` and `Model.subscribe()`. */
  socket: Socket
  path: string
  originalUrl: string
  /** Of the route's path: `id` of `/user/:id`. */
  params: Record<string, string>
  query: Record<string, unknown>
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  body: any
  cookies: Record<string, string | undefined>
  /** What the `session` middleware made of the cookie; nothing for a client that sends the header `nosession`. */
  // biome-ignore lint/suspicious/noExplicitAny: the app's own
  session?: any
  ip: string | undefined
  /** The parameter of this name: of the route, the body or the query, in this order. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  param(name: string, fallback?: unknown): any
  /** All parameters: of the query, the body and the route, the later the stronger. */
  allParams(): Record<string, unknown>
  /** The header of this name. */
  get(name: string): string | undefined
  /** A request that is sent as data is its socket's id. */
  toJSON(): { id?: string }
}

/** The answer of a route, with the responses of Sails. */
export interface RealtimeResponse extends ServerResponse {
  /** 200, with `data` or `OK`. */
  ok(data?: unknown): void
  /** Ends with `data` as JSON. */
  json(data: unknown): void
  /** Ends with `data`: text as text, anything else as JSON. */
  send(data?: unknown): void
  status(code: number): RealtimeResponse
  set(name: string, value: string): RealtimeResponse
  /** 400, 403, 404, with `data` or the words for the status. */
  badRequest(data?: unknown): void
  forbidden(data?: unknown): void
  notFound(data?: unknown): void
  /** 500. The error is logged and not sent. */
  serverError(error?: unknown): void
}

export type RealtimeHandler = (req: RealtimeRequest, res: RealtimeResponse) => unknown

/** A handler as Node and Express have it. */
export type NodeHandler = (
  // biome-ignore lint/suspicious/noExplicitAny: Express and others have types of their own
  req: any,
  // biome-ignore lint/suspicious/noExplicitAny: Express and others have types of their own
  res: any,
  next: (error?: unknown) => void,
) => unknown
