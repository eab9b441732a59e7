import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from '@socket.io/redis-adapter'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { connectSailsClient, type SailsClient } from '../helpers/sails-client.ts'
import { afterScope } from '../helpers/scope.ts'

type AdapterFactory = Parameters<Server['adapter']>[0]

export interface AppServer {
  readonly io: Server
  /** A client in these rooms. */
  member(...rooms: string[]): Promise<SailsClient>
}

/** A server of an app without a feed: sockets, and an adapter that the app's servers share. */
export async function startAppServer(adapter: AdapterFactory): Promise<AppServer> {
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, transports: ['websocket'] })
  io.adapter(adapter)
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  const { port } = http.address() as AddressInfo
  const member = async (...rooms: string[]) => {
    const client = await connectSailsClient({ port, transports: ['websocket'] })
    await io.of('/').sockets.get(client.id)?.join(rooms)
    return client
  }
  return { io, member }
}

/** As an app creates it. */
export async function redisAdapter(url: string): Promise<AdapterFactory> {
  const pub = createClient({ url })
  const sub = pub.duplicate()
  for (const client of [pub, sub]) client.on('error', () => {}) // the test stops the server
  await Promise.all([pub.connect(), sub.connect()])
  afterScope(() => Promise.allSettled([pub.quit(), sub.quit()]))
  return createAdapter(pub, sub)
}
