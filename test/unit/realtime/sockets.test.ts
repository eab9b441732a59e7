import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { sailsSockets } from '../../../src/realtime/pubsub/sockets.ts'
import { memoryLogger } from '../../integration/realtime/memory-logger.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

async function setUp() {
  const server = await socketServer()
  const logger = memoryLogger()
  return { ...server, logger, sockets: sailsSockets(server.io, logger) }
}

const names = (messages: { event: string; data: unknown }[]) => messages.map(({ event, data }) => [event, data])

test('a socket, a request or an id joins and leaves a room at once', async () => {
  const { sockets, member } = await setUp()
  const { socket } = await member()
  for (const as of [socket, { socket, isSocket: true }, socket.id]) {
    const joined = sockets.join(as, 'fun')
    expect(socket.rooms).toContain('fun')
    expect(await joined).toBe(true)
    const left = sockets.leave(as, 'fun')
    expect(socket.rooms).not.toContain('fun')
    expect(await left).toBe(true)
  }
})

test('several join with one call, and a callback is called', async () => {
  const { sockets, member } = await setUp()
  const [ann, bob] = [await member(), await member()]
  const error = await new Promise(resolve => sockets.join([ann.socket, bob.socket.id], 'fun', resolve))
  expect(error).toBeUndefined()
  expect(sockets.subscribers('fun').sort()).toEqual([ann.socket.id, bob.socket.id].sort())
})

test('an unknown id is the name of a room', async () => {
  const { sockets, member } = await setUp()
  const { socket } = await member('a')
  await sockets.join('a', 'b')
  expect(socket.rooms).toContain('b')
  await sockets.leave('a', 'b')
  expect(socket.rooms).not.toContain('b')
})

test('misuse is reported to the callback, to the promise, or to the log', async () => {
  const { sockets, member, logger } = await setUp()
  const { socket } = await member()
  const noRoom = undefined as unknown as string
  const usage = expect.objectContaining({ code: 'E_USAGE' })
  expect(await new Promise(resolve => sockets.join(socket, noRoom, resolve))).toEqual(usage)
  await expect(sockets.leave(socket, noRoom)).rejects.toEqual(usage)
  await expect(sockets.leaveAll(noRoom)).rejects.toEqual(usage)
  await expect(sockets.addRoomMembersToRooms(noRoom, 'a')).rejects.toEqual(usage)
  await sockets.join(null as never, 'fun')
  expect(logger.lines).toEqual([
    'error sockets.leave() failed',
    'error sockets.leaveAll() failed',
    'error sockets.addRoomMembersToRooms() failed',
    'warn sockets.join() ignored a value that is not a socket',
  ])
})

test('members of a room join and leave other rooms', async () => {
  const { sockets, member } = await setUp()
  const [ann, bob] = [await member('a'), await member()]
  await sockets.addRoomMembersToRooms('a', ['b', 'c'])
  expect([...ann.socket.rooms]).toEqual([ann.socket.id, 'a', 'b', 'c'])
  expect([...bob.socket.rooms]).toEqual([bob.socket.id])
  expect(await new Promise(resolve => sockets.removeRoomMembersFromRooms('a', 'b', resolve))).toBeUndefined()
  expect([...ann.socket.rooms]).toEqual([ann.socket.id, 'a', 'c'])
})

test('all sockets in a room leave all rooms', async () => {
  const { sockets, member } = await setUp()
  const [ann, bob] = [await member('a', 'b'), await member('b')]
  await sockets.leaveAll('a', { includeSourceRoom: false })
  expect([...ann.socket.rooms]).toEqual([ann.socket.id, 'a'])
  expect(await new Promise(resolve => sockets.leaveAll('a', resolve))).toBeUndefined()
  expect([...ann.socket.rooms]).toEqual([ann.socket.id])
  await sockets.leaveAll('b', { includeSocketRooms: true })
  expect([...bob.socket.rooms]).toEqual([])
})

test('broadcast as documented, in all four forms', async () => {
  const { sockets, member } = await setUp()
  const [ann, bob] = [await member('a'), await member('a')]
  sockets.broadcast('a', { n: 1 })
  sockets.broadcast('a', 'hello', { n: 2 })
  sockets.broadcast('a', { n: 3 }, ann.socket)
  sockets.broadcast('a', 'hello', { n: 4 }, { socket: ann.socket })
  sockets.broadcast('a', undefined as unknown as string, { n: 5 })
  sockets.broadcast('a', 'just text')
  const toAll = [
    ['message', { n: 1 }],
    ['hello', { n: 2 }],
  ]
  const last = [
    ['message', { n: 5 }],
    ['message', 'just text'],
  ]
  expect(names(await ann.received())).toEqual([...toAll, ...last])
  expect(names(await bob.received())).toEqual([...toAll, ['message', { n: 3 }], ['hello', { n: 4 }], ...last])
})

test('a message to no rooms is not sent', async () => {
  const { sockets, member } = await setUp()
  const ann = await member('a')
  sockets.broadcast([], 'hello', 1)
  sockets.emit([], 'hello', 2)
  expect(await ann.received()).toEqual([])
})

test('a socket in several of the rooms receives a message once', async () => {
  const { sockets, member } = await setUp()
  const ann = await member('a', 'b')
  sockets.broadcast(['a', 'b', ann.socket.id], 'hello', 1)
  expect(names(await ann.received())).toEqual([['hello', 1]])
})

test('blast reaches all sockets except the excluded one', async () => {
  const { sockets, member } = await setUp()
  const [ann, bob] = [await member(), await member('a')]
  sockets.blast('hello', 1)
  sockets.blast({ n: 2 }, ann.socket)
  expect(names(await ann.received())).toEqual([['hello', 1]])
  expect(names(await bob.received())).toEqual([
    ['hello', 1],
    ['message', { n: 2 }],
  ])
})

test('a socket as data is sent as its id', async () => {
  const { sockets, member } = await setUp()
  const ann = await member()
  sockets.broadcast(ann.socket.id, 'hello', ann.socket)
  expect(names(await ann.received())).toEqual([['hello', { id: ann.socket.id }]])
})

test('sockets are found by id, and ids in sockets and requests', async () => {
  const { sockets, member } = await setUp()
  const { socket } = await member()
  expect(sockets.get(socket.id)).toBe(socket)
  expect(sockets.getId(socket)).toBe(socket.id)
  expect(sockets.getId({ socket })).toBe(socket.id)
  expect(sockets.parseSocket({ socket })).toBe(socket)
  for (const other of [undefined, null, 'x', 7, [], {}, { socket: {} }, createServer()]) {
    expect(sockets.getId(other)).toBeUndefined()
  }
  for (const id of ['7', 7, undefined, null, [{}], {}]) {
    expect(() => sockets.get(id as string)).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
  }
})

test('the functions of v0.12 work', async () => {
  const { sockets, member } = await setUp()
  const [ann, bob] = [await member('a', 'b'), await member('b')]
  expect(sockets.id(ann.socket)).toBe(ann.socket.id)
  expect(sockets.socketRooms(ann.socket)).toEqual([ann.socket.id, 'a', 'b'])
  expect(sockets.rooms().sort()).toEqual(['a', 'b', ann.socket.id, bob.socket.id].sort())
  expect(sockets.subscribers('a')).toEqual([ann.socket.id])
  expect(sockets.subscribers('nowhere')).toEqual([])
  expect(sockets.subscribers().sort()).toEqual([ann.socket.id, bob.socket.id].sort())
  sockets.emit([ann.socket.id], 'hello', 1)
  sockets.emitToAll('hello', 2)
  expect(names(await ann.received())).toEqual([
    ['hello', 1],
    ['hello', 2],
  ])
  expect(names(await bob.received())).toEqual([['hello', 2]])
})
