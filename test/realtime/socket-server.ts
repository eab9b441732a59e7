import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { afterScope } from '../helpers/scope.ts'
import { connectSails, type SailsSocket } from './sails-client.ts'

/** A bare socket.io server that today's sails.io.js can talk to, closed when the test ends. */
export async function socketServer() {
  const http = createServer()
  const io = new Server(http, { allowEIO3: true })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  /** A client, and the server's side of its socket. */
  const connect = async () => {
    const client = await connectSails(url)
    const socket = io.of('/').sockets.get(client._raw.id)
    if (!socket) throw new Error('The server has no socket of this client')
    return { client, socket }
  }
  return { io, url, connect }
}

/** Resolves once the client has received everything that was emitted to it before. */
export function received(io: Server, client: SailsSocket): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      client.off('test:all-received', done)
      resolve()
    }
    client.on('test:all-received', done)
    io.to(client._raw.id).emit('test:all-received')
  })
}
