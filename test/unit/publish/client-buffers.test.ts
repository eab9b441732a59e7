import { once } from 'node:events'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { ClientBuffers, type SlowClient } from '../../../src/publish/socketio/client-buffers.ts'
import { bufferedBytes } from '../../../src/publish/socketio/connection.ts'
import { classRoom } from '../../../src/publish/socketio/rooms.ts'
import { socketPublisher } from '../../../src/publish/socketio/socket-publisher.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { models } from '../../integration/publish/school-models.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

const MIB = 2 ** 20
const meta = { cursor: '1.1.1', at: 1 }

/** A server that buffers at most 2 MiB per client, with the clients that it disconnected. */
async function publishing() {
  const server = await socketServer()
  const cut: SlowClient[] = []
  const logged: unknown[] = []
  const logger = { error() {}, warn: (...line: unknown[]) => logged.push(line), info() {}, debug() {} }
  const buffers = new ClientBuffers(server.io, { maxBytes: 2 * MIB, logger, onDisconnect: client => cut.push(client) })
  const publisher = socketPublisher(server.io, { models, buffers })
  /** Publishes this many MiB to the watchers of pets, as a feed does. */
  const publish = async (mib: number) => {
    const record = { id: 1, name: 'x'.repeat(MIB / 16) }
    for (let n = 0; n < mib * 16; n++) {
      await publisher.publish({ verb: 'created', identity: 'pet', id: 1, record, reverse: [] }, meta)
      await publisher.drained()
    }
  }
  const join = (id: string) => server.io.in(id).socketsJoin(classRoom('pet'))
  return { ...server, publisher, publish, join, cut, logged, sockets: server.io.of('/').sockets }
}

/** A client of this protocol version that can stop reading from its connection. */
async function websocketClient(port: number) {
  const client = connect(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false })
  afterScope(() => client.disconnect())
  await once(client as never, 'connect')
  const { ws } = client.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }
  let received = 0
  client.on('pet', () => received++)
  return {
    id: client.id ?? '',
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    get received() {
      return received
    },
  }
}

/** A client that connects by polling and never polls again. */
async function pollingClient(port: number, protocol: 3 | 4) {
  const url = `http://127.0.0.1:${port}/socket.io/?EIO=${protocol}&transport=polling`
  const handshake = await (await fetch(url)).text()
  const { sid } = JSON.parse(handshake.slice(handshake.indexOf('{'), handshake.indexOf('}') + 1)) as { sid: string }
  if (protocol === 4) await fetch(`${url}&sid=${sid}`, { method: 'POST', body: '40' })
  return sid
}

/** Publishes until the buffers are checked, which does not happen for each message. */
async function publishUntil(publish: (mib: number) => Promise<void>, isDone: () => boolean) {
  await eventually(async () => {
    await publish(1)
    expect(isDone()).toBe(true)
  })
}

test('a client that reads nothing is disconnected above the limit; the others receive everything', async () => {
  const { port, publish, join, cut, logged, sockets } = await publishing()
  const [slow, other] = [await websocketClient(port), await websocketClient(port)]
  for (const { id } of [slow, other]) join(id)
  slow.pause()
  await publishUntil(publish, () => cut.length > 0)
  expect(cut).toEqual([{ socketId: slow.id, bytes: expect.any(Number) }])
  expect(cut[0]?.bytes).toBeGreaterThan(2 * MIB)
  expect(logged).toEqual([[expect.any(String), { socketId: slow.id, bytes: cut[0]?.bytes, maxBufferedBytes: 2 * MIB }]])
  expect([...sockets.keys()]).toEqual([other.id])
  const before = other.received
  await publish(1)
  await eventually(() => expect(other.received).toBeGreaterThanOrEqual(before + 16))
})

test.each([3, 4] as const)(
  'a client that has stopped polling is disconnected above the limit (protocol %i)',
  async protocol => {
    const { port, publish, cut, sockets, io } = await publishing()
    const connected = once(io, 'connection')
    await pollingClient(port, protocol)
    const [socket] = await connected
    await socket.join(classRoom('pet'))
    await publishUntil(publish, () => cut.length > 0)
    expect(cut.map(({ socketId }) => socketId)).toEqual([socket.id])
    expect(sockets.size).toBe(0)
  },
)

test('a client that is slow for a moment stays connected', async () => {
  const { port, publish, join, cut, sockets } = await publishing()
  const slow = await websocketClient(port)
  join(slow.id)
  slow.pause()
  const { conn } = sockets.get(slow.id) ?? {}
  // Resumes reading as soon as its buffer is not empty.
  const watching = setInterval(() => {
    if (!conn || bufferedBytes(conn) === 0) return
    clearInterval(watching)
    slow.resume()
  }, 1)
  afterScope(() => clearInterval(watching))
  await publish(12)
  slow.resume() // if the operating system buffered all of it
  await eventually(() => expect(slow.received).toBe(12 * 16), { withinMs: 20_000 })
  expect(cut).toEqual([])
})
