import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { afterScope } from '../../helpers/scope.ts'

type Answer = { statusCode: number; body?: unknown } | undefined
type Payload = Record<string, unknown> & { verb: string }

/**
 * A socket.io server that answers requests as a test says, and so also as no real server does. Answers without a script are
 * those of a server that replays nothing.
 */
export async function scriptedServer() {
  let port = 0
  let io: Server
  const requests: string[] = []
  const scripts = new Map<string, (socket: Socket, url: string) => Answer | Promise<Answer>>()
  const answer = (socket: Socket, url: string): Answer | Promise<Answer> => {
    const script = scripts.get(url.split('?')[0] ?? '')
    if (script) return script(socket, url)
    if (!url.startsWith('/changefeed/since')) return { statusCode: 200, body: [] }
    socket.emit('changefeed', { verb: 'caughtUp', cursor: '1.0.0' })
    return { statusCode: 200, body: {} }
  }
  const start = async () => {
    const http = createServer()
    io = new Server(http, { allowEIO3: true })
    io.on('connection', socket => {
      socket.on('get', async ({ url }: { url: string }, respond: (answer: unknown) => void) => {
        requests.push(url)
        const given = await answer(socket, url)
        if (given) respond(given)
      })
    })
    await new Promise<void>(resolve => http.listen(port, '127.0.0.1', resolve))
    port = (http.address() as AddressInfo).port
  }
  await start()
  afterScope(() => io.close())
  return {
    get port() {
      return port
    },
    /** URLs that were asked for. */
    requests,
    /** Answers a path, without its query; undefined never answers. */
    on: (path: string, script: (socket: Socket, url: string) => Answer | Promise<Answer>) => scripts.set(path, script),
    send: (event: string, payload: Payload, meta?: object) => io.emit(event, payload, ...(meta ? [meta] : [])),
    /** Breaks the connections, as a network does. */
    cut() {
      for (const { conn } of io.of('/').sockets.values()) conn.transport.close()
    },
    async restart() {
      await io.close()
      await start()
    },
  }
}

/** Sends a message of the feed. */
export const sendTo = (socket: Socket, payload: Payload, cursor: string, more: object = {}) =>
  socket.emit('user', payload, { cursor, ...more })

export const caughtUp = (socket: Socket, cursor: string) => socket.emit('changefeed', { verb: 'caughtUp', cursor })
