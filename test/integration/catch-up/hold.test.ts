import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket } from 'socket.io'
import { connect } from 'socket.io-client-4'
import { afterEach, expect, test, vi } from 'vitest'
import { Checkpoints } from '../../../src/catch-up/checkpoints.ts'
import { ChangefeedError } from '../../../src/errors.ts'
import { LiveHold } from '../../../src/publish/socketio/live-hold.ts'
import { RoomEmitter } from '../../../src/publish/socketio/room-emitter.ts'
import { eventLoopTurn } from '../../../src/publish/time-slice.ts'
import { holdReturningSockets } from '../../../src/realtime/catch-up-route.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'

afterEach(() => void vi.useRealTimers())

/** A server that holds sockets, and a client in the room `pets`. */
async function connected(query: Record<string, string> = {}) {
  const http = createServer()
  const io = new Server(http)
  afterScope(() => io.close())
  holdReturningSockets(io, async () => {
    throw new ChangefeedError('E_STATE', 'The feed is not running: start it first.')
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const client = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
    transports: ['websocket'],
    query,
  })
  afterScope(() => client.disconnect())
  const received: unknown[] = []
  client.onAny((...args: unknown[]) => received.push(args))
  const socket = await new Promise<Socket>(resolve => io.on('connection', resolve))
  await socket.join(['pets', 'sails_model_create_pet'])
  const emitter = new RoomEmitter(io, 'local')
  const send = (event: string) => emitter.emit({ rooms: ['pets'], event, args: [], except: [] })
  /** A message that is not left out, after which everything sent before has arrived. */
  const arrived = async () => {
    socket.emit('mark')
    await eventually(() => expect(received.at(-1)).toEqual(['mark']))
    received.pop()
    return received
  }
  return { io, socket, send, arrived }
}

test.each([[{ changefeed: '1' }], [{ changefeed: 'true' }], [{}]])('%j in the handshake', async query => {
  const { send, arrived } = await connected(query as Record<string, string>)
  send('live')
  expect(await arrived()).toEqual('changefeed' in query && query.changefeed === '1' ? [] : [['live']])
})

test('a socket that announced itself and does not ask is released after 30 s, with a gap, also while no feed runs', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { send, arrived } = await connected({ changefeed: '1' })
  vi.advanceTimersByTime(29_999)
  send('held')
  vi.advanceTimersByTime(1)
  vi.useRealTimers()
  await eventLoopTurn() // the feed has refused
  send('live')
  expect(await arrived()).toEqual([['changefeed', { verb: 'gap', reason: 'expired', identities: ['pet'] }], ['live']])
})

test('a socket that has asked is not released by time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { io, socket, send, arrived } = await connected({ changefeed: '1' })
  LiveHold.of(io).hold(socket)
  vi.advanceTimersByTime(40_000) // the server closes the connection after 45 s
  vi.useRealTimers()
  send('held')
  LiveHold.of(io).release(socket)
  send('live')
  expect(await arrived()).toEqual([['live']])
})

test('a client receives the cursor of a minute before, each minute', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { socket, arrived } = await connected()
  let [calls, fails] = [0, false]
  const checkpoints = new Checkpoints(async () => {
    calls++
    if (fails) throw new Error('no connection')
    return `1.${calls}.0`
  })
  checkpoints.follow(socket)
  checkpoints.follow(socket)
  const minute = async () => {
    vi.advanceTimersByTime(60_000)
    await eventLoopTurn() // the cursor has been asked for
    return (await arrived()).splice(0)
  }
  expect(await minute()).toEqual([])
  expect(await minute()).toEqual([['changefeed', { verb: 'checkpoint', cursor: '1.1.0' }]])
  fails = true
  expect(await minute()).toEqual([['changefeed', { verb: 'checkpoint', cursor: '1.2.0' }]])
  fails = false
  expect(await minute()).toEqual([])
  expect(await minute()).toEqual([['changefeed', { verb: 'checkpoint', cursor: '1.4.0' }]])
  checkpoints.end()
  expect(await minute()).toEqual([])
})
