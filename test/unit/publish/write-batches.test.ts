import type { Socket as TcpSocket } from 'node:net'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { batchWrites } from '../../../src/publish/socketio/write-batches.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { received, socketServer } from '../../integration/realtime/socket-server.ts'

const numbers = Array.from({ length: 200 }, (_, n) => n)
const WRITES = ['writev', 'writeBuffer', 'writeAsciiString', 'writeLatin1String', 'writeUtf8String', 'writeUcs2String']

/** Counts the system calls that write to a client's WebSocket. */
function countWrites({ conn }: { readonly conn: unknown }) {
  const { transport } = conn as { transport: { socket: { _socket: TcpSocket } } }
  const { _handle: handle } = transport.socket._socket as unknown as {
    _handle: Record<string, (...args: unknown[]) => unknown>
  }
  let count = 0
  for (const name of WRITES) {
    const original = handle[name]
    handle[name] = (...args) => {
      count++
      return original?.apply(handle, args)
    }
  }
  return () => count
}

test('messages that are emitted together reach a client in order, with few writes', async () => {
  const { io, member } = await socketServer()
  for (let times = 0; times < 2; times++) batchWrites(io)
  const { socket, received: all } = await member('crowd')
  const writes = countWrites(socket)
  for (const n of numbers) io.to('crowd').emit('number', n)
  expect((await all()).map(({ data }) => data)).toEqual(numbers)
  expect(writes()).toBeLessThan(10)
})

test('a server that is attached later is batched from its first connection on', async () => {
  const io = new Server({ allowEIO3: true })
  afterScope(() => io.close())
  batchWrites(io)
  const { httpServer } = io.listen(0) as unknown as { httpServer: { address(): { port: number } } }
  const client = await connectSailsClient({ port: httpServer.address().port })
  const socket = io.of('/').sockets.get(client.id)
  const writes = countWrites(socket as never)
  for (const n of numbers) socket?.emit('number', n)
  expect((await received(io, client)).map(({ data }) => data)).toEqual(numbers)
  expect(writes()).toBeLessThan(10)
})
