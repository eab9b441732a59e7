import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ChangefeedError } from '../errors.ts'
import type { RequestGuard } from './request-guard.ts'

export interface WebServer {
  readonly server: Server
  readonly port: number
}

/** Listens on the loopback interface only. Port 0 selects a free port. Throws `E_OPTIONS` if it cannot listen on the port. */
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

/** Responds during startup. The browser or the page's socket retries. */
const notYet: RequestListener = (_req, res) => {
  res.writeHead(503, { 'content-type': 'text/plain', refresh: '1', connection: 'close' }).end('The demo is starting.')
}

/** Replaces the request listener. */
export function answerWith(server: Server, listener: RequestListener): void {
  server.removeAllListeners('request')
  server.on('request', listener)
}

/** Rejects requests with a foreign Host header before any other listener runs. */
export function guard(server: Server, requestGuard: RequestGuard): void {
  const inner = server.listeners('request')
  answerWith(server, (req, res) => {
    if (!requestGuard.isOurHost(req.headers)) return res.writeHead(421).end('Unknown host.')
    for (const listener of inner) listener.call(server, req, res)
  })
}

/** Also closes open connections, which browsers keep alive. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function portError(port: number, cause: NodeJS.ErrnoException) {
  const reasons: Record<string, string> = {
    EADDRINUSE: `Port ${port} of 127.0.0.1 is in use, perhaps by another demo. Stop that process, or choose another port with --port <number>; 0 selects a free one.`,
    EACCES: `Listening on port ${port} requires privileges. Choose a port above 1023 with --port <number>.`,
  }
  const reason = reasons[cause.code ?? ''] ?? `Cannot listen on port ${port}: ${cause.message}`
  return new ChangefeedError('E_OPTIONS', reason, { cause })
}
