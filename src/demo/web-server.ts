import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ChangefeedError } from '../errors.ts'
import type { RequestGuard } from './request-guard.ts'

export interface WebServer {
  readonly server: Server
  readonly port: number
}

/** Listens on the loopback interface alone. Throws `E_OPTIONS` where the port cannot be had. Port 0 takes a free one. */
export async function listen(port: number): Promise<WebServer> {
  const server = createServer(notYet)
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (cause) {
    throw portError(port, cause as NodeJS.ErrnoException)
  }
  return { server, port: (server.address() as AddressInfo).port }
}

/** A request without an answer would wait for long; this one is made again by the browser, or by the page's socket. */
const notYet: RequestListener = (_req, res) => {
  res.writeHead(503, { 'content-type': 'text/plain', refresh: '1', connection: 'close' }).end('The demo is starting.')
}

/** From now on `listener` answers. */
export function answerWith(server: Server, listener: RequestListener): void {
  server.removeAllListeners('request')
  server.on('request', listener)
}

/** Before anything else answers: requests that were sent to another host, whose name points here. */
export function guard(server: Server, requestGuard: RequestGuard): void {
  const inner = server.listeners('request')
  answerWith(server, (req, res) => {
    if (!requestGuard.isOurHost(req.headers)) return res.writeHead(421).end('This is not the host that you mean.')
    for (const listener of inner) listener.call(server, req, res)
  })
}

/** Ends open connections as well: a browser would keep them. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function portError(port: number, cause: NodeJS.ErrnoException) {
  const reasons: Record<string, string> = {
    EADDRINUSE: `Port ${port} of 127.0.0.1 is taken, perhaps by another demo: stop what listens there, or name another port with --port <number>; 0 takes a free one.`,
    EACCES: `Port ${port} is not for everyone: name one above 1023 with --port <number>.`,
  }
  const reason = reasons[cause.code ?? ''] ?? `Cannot listen on port ${port}: ${cause.message}`
  return new ChangefeedError('E_OPTIONS', reason, { cause })
}
