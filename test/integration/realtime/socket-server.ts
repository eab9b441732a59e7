import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type ServerOptions } from 'socket.io'
import { connectSailsClient, type SailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'

/** A bare socket.io server that today's sails.io.js can talk to, closed when the test ends. */
export async function socketServer(settings: Partial<ServerOptions> = {}) {
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, ...settings })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  const { port } = http.address() as AddressInfo
  /** A client in these rooms, its socket on the server, and its messages. */
  const member = async (...rooms: string[]) => {
    const client = await connectSailsClient({ port })
    const socket = io.of('/').sockets.get(client.id)
    if (!socket) throw new Error('The server has no socket of this client')
    await socket.join(rooms)
    return { client, socket, received: () => received(io, client) }
  }
  return { io, port, member }
}

/** All messages that were emitted to a client so far. */
export async function received(io: Server, client: SailsClient) {
  const last = `all sent ${++sent}`
  io.to(client.id).emit(last)
  await client.messages.next(last)
  return client.messages.all.filter(({ event }) => !event.startsWith('all sent'))
}

let sent = 0
