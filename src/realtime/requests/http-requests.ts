import { readFile } from 'node:fs/promises'
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { Handle } from './handling.ts'
import type { Limits } from './limits.ts'
import { badRequest, tooLarge } from './refusal.ts'
import type { NodeHandler, RealtimeHandler } from './request.ts'
import { checkedData, parsedQuery } from './request-data.ts'
import type { RequestGuard } from './request-guard.ts'
import type { Router } from './router.ts'

/**
 * Routes over HTTP as a Node handler, to mount in an app: `app.use(handler)`. If no route matches, calls `next`, or responds
 * with 404 if there is no `next`.
 */
export function httpHandler(handle: Handle, limits: Limits, guard: RequestGuard): NodeHandler {
  return (req: IncomingMessage & { body?: unknown }, res: ServerResponse, next?: (error?: unknown) => void) => {
    const body = () => (req.body === undefined ? readBody(req, limits) : checkedData(req.body, limits))
    const requireAllowed = () => guard.requireAllowed(req)
    const pass = next ?? (() => notFound(res))
    handle(req, res, { body, requireAllowed }).then(isAnswered => isAnswered || pass(), pass)
  }
}

const notFound = (res: ServerResponse) => void res.writeHead(404).end('Not Found')

/**
 * Handles a server's requests with our routes first, and passes the others to the listeners that existed before. Listeners
 * that are added later are called by the server itself.
 */
export function interceptRequests(server: HttpServer, handler: NodeHandler): void {
  const others = server.listeners('request') as ((req: IncomingMessage, res: ServerResponse) => void)[]
  server.removeAllListeners('request')
  server.on('request', (req, res) => {
    const pass = () => {
      for (const other of others) other.call(server, req, res)
      if (others.length === 0 && server.listenerCount('request') === 1) notFound(res)
    }
    handler(req, res, pass)
  })
}

export interface ClientRouteOptions {
  readonly guard: RequestGuard
  /** Whether pages of other origins may not connect, and so must not get a cookie. */
  readonly ownPagesOnly: boolean
}

/** The files that pages fetch before they connect: sails.io.js and, for pages of other origins, a cookie. */
export function addClientRoutes(router: Router, { guard, ownPagesOnly }: ClientRouteOptions): void {
  router.add('GET /js/dependencies/sails.io.js', sendClient)
  router.add('GET /__getcookie', (req, res) => {
    if (ownPagesOnly) guard.requireOwnPage(req.headers)
    res.set('content-type', 'application/javascript; charset=utf-8').send('_sailsIoJSConnect();')
  })
}

const sendClient: RealtimeHandler = async (_req, res) => {
  client ??= readFile(createRequire(import.meta.url).resolve('sails.io.js-dist'), 'utf8')
  const script = await client
  res
    .set('content-type', 'application/javascript; charset=utf-8')
    .set('cache-control', 'public, max-age=3600')
    .send(script)
}

let client: Promise<string> | undefined

/** Parses JSON or a form, within the limits. An empty object for other types. */
async function readBody(req: IncomingMessage, limits: Limits): Promise<unknown> {
  const type = req.headers['content-type'] ?? ''
  const isJson = /\bjson\b/.test(type)
  if (!isJson && !type.startsWith('application/x-www-form-urlencoded')) return {}
  const text = await readText(req, limits.payloadBytes)
  return isJson ? checkedData(parseJson(text), limits) : parsedQuery(text, limits)
}

async function readText(req: IncomingMessage, bytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bytes) throw tooLarge('payloadBytes', `A request may have ${bytes} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest('The body is not valid JSON.')
  }
}
