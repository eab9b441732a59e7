import { expect, test, vi } from 'vitest'
import { changefeed } from '../../../src/client/client.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { openSailsSocket } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { memoryStorage, openPage, SOCKETS } from './clients.ts'
import { caughtUp, scriptedServer, sendTo } from './scripted-server.ts'

const updated = (id: number, name: string) => ({ verb: 'updated', id, data: { name } })
const open = (port: number) => (SOCKETS['sails.io.js 1.2.1'] as (port: number) => Parameters<typeof openPage>[0])(port)
const SINCE = '/changefeed/since'

/** A client that is live, on a server. */
async function livePage(options: Parameters<typeof openPage>[1] = {}) {
  const server = await scriptedServer()
  const page = openPage(open(server.port), options)
  await page.caughtUpTimes(1)
  return { server, page }
}

test.each(Object.entries(SOCKETS))('%s reconnects, and asks from its cursor', async (_name, openSocket) => {
  const server = await scriptedServer()
  const page = openPage(openSocket(server.port), { requests: ['/user'] })
  await page.caughtUpTimes(1)
  expect(server.requests).toEqual(['/user', `${SINCE}?inclusive=1&cursor=`])
  server.send('user', updated(1, 'ann'), { cursor: '1.2.3' })
  await eventually(() => expect(page.handled).toHaveLength(1))
  server.on(SINCE, socket => {
    sendTo(socket, updated(1, 'ann'), '1.2.3', { replayed: true })
    sendTo(socket, updated(1, 'bob'), '1.2.4', { replayed: true })
    caughtUp(socket, '1.2.5')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(2)
  expect(server.requests.slice(2)).toEqual(['/user', `${SINCE}?inclusive=1&cursor=1.2.3`])
  expect(page.handled).toEqual(['user updated 1 {"name":"ann"}', 'user updated 1 {"name":"bob"}'])
  expect(page.caughtUp.at(-1)).toEqual({ cursor: '1.2.5' })
  await server.restart()
  await page.caughtUpTimes(3)
  expect(server.requests.at(-1)).toBe(`${SINCE}?inclusive=1&cursor=1.2.5`)
  expect([page.gap, page.error]).toEqual([[], []])
})

test('live messages wait behind the replayed ones, and repeats are dropped', async () => {
  const { server, page } = await livePage()
  server.on(SINCE, socket => {
    sendTo(socket, updated(1, 'third'), '1.1.3')
    sendTo(socket, updated(1, 'fourth'), '1.1.4')
    socket.emit('chat', 'not of the feed')
    for (const [index, name] of ['first', 'second', 'third'].entries())
      sendTo(socket, updated(1, name), `1.1.${index + 1}`, { replayed: true })
    caughtUp(socket, '1.1.3')
    return { statusCode: 200 }
  })
  const chat = eventOf(page.socket as never, 'chat')
  server.cut()
  await chat
  await page.caughtUpTimes(2)
  expect(page.handled.map(line => line.match(/"name":"(\w+)"/)?.[1])).toEqual(['first', 'second', 'third', 'fourth'])
})

test("the app's own messages are handed over once, in their place", async () => {
  const { server, page } = await livePage()
  server.send('user', { verb: 'created', id: 1, data: { id: 1, pets: [] } })
  await eventually(() => expect(page.handled).toHaveLength(1))
  server.on(SINCE, socket => {
    socket.emit('user', updated(1, 'own'))
    socket.emit('user', updated(1, 'own, not yet in the feed'))
    sendTo(socket, { verb: 'created', id: 1, data: { id: 1 } }, '1.1.1', { replayed: true })
    sendTo(socket, updated(1, 'own'), '1.1.2', { replayed: true })
    sendTo(socket, updated(1, 'of SQL'), '1.1.3', { replayed: true })
    caughtUp(socket, '1.1.3')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(2)
  expect(page.handled.slice(1)).toEqual(
    ['own', 'of SQL', 'own, not yet in the feed'].map(name => `user updated 1 {"name":"${name}"}`),
  )
})

test('a connection that breaks while catching up goes on where it stopped', async () => {
  const { server, page } = await livePage()
  server.on(SINCE, socket => {
    sendTo(socket, updated(1, 'first'), '1.1.1', { replayed: true })
    sendTo(socket, updated(1, 'live'), '1.1.9')
    return undefined
  })
  server.cut()
  await eventually(() => expect(page.handled).toHaveLength(1))
  server.on(SINCE, (socket, url) => {
    expect(url).toContain('cursor=1.1.1')
    for (const seq of [1, 2, 9])
      sendTo(socket, updated(1, seq === 1 ? 'first' : `${seq}`), `1.1.${seq}`, { replayed: true })
    caughtUp(socket, '1.1.9')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(2)
  expect(page.handled).toEqual(['first', '2', '9'].map(name => `user updated 1 {"name":"${name}"}`))
})

test('after a gap the lists are requested again, and handed over before the messages that follow', async () => {
  const { server, page } = await livePage({ requests: ['/pet'] })
  let name = 'old'
  server.on('/user', () => ({ statusCode: 200, body: [{ id: 1, name }] }))
  page.changes.get<{ name: string }[]>('/user', users => void page.handled.push(`list ${users[0]?.name}`))
  await eventually(() => expect(page.handled).toEqual(['list old']))
  server.on(SINCE, socket => {
    name = 'new'
    server.on('/user', live => {
      sendTo(live, updated(1, 'newer'), '1.1.9')
      return { statusCode: 200, body: [{ id: 1, name }] }
    })
    sendTo(socket, updated(1, 'missed'), '1.1.1', { replayed: true })
    socket.emit('changefeed', { verb: 'gap', reason: 'tooMuch', identities: ['user'] })
    caughtUp(socket, '1.1.8')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(3)
  expect(page.handled.slice(1)).toEqual([
    'user updated 1 {"name":"missed"}',
    'list new',
    'user updated 1 {"name":"newer"}',
  ])
  expect(page.gap).toEqual([
    { reason: 'tooMuch', identities: ['user'], lists: { '/pet': [], '/user': [{ id: 1, name: 'new' }] } },
  ])
})

test('refetch is a gap, and gaps of several models are one', async () => {
  const { server, page } = await livePage({ requests: ['/user'] })
  const heard: unknown[] = []
  page.socket.on('changefeed', message => void heard.push(message))
  for (const identity of ['user', 'pet']) {
    server.send('changefeed', { verb: 'refetch', identity, reason: 'truncate' }, { cursor: '1.1.1' })
    server.send('changefeed', { verb: 'refetch', identity, reason: 'truncate' }, { cursor: '1.1.1' })
  }
  await eventually(() => expect(page.gap.map(({ identities }) => identities)).toEqual([['user'], ['pet']]))
  await page.caughtUpTimes(2)
  expect(server.requests.filter(url => url === '/user')).toHaveLength(2)
  expect(heard).toHaveLength(2)
})

test('a gap is not forgotten if the connection breaks before the lists have come', async () => {
  const { server, page } = await livePage({ requests: ['/user'] })
  server.on('/user', () => undefined)
  server.send('changefeed', { verb: 'gap', reason: 'declared', identities: [] })
  await eventually(() => expect(server.requests.filter(url => url === '/user')).toHaveLength(2))
  server.on('/user', () => ({ statusCode: 200, body: ['fresh'] }))
  server.cut()
  await page.caughtUpTimes(2)
  expect(page.gap).toEqual([{ reason: 'declared', identities: [], lists: { '/user': ['fresh'] } }])
})

test('a server without the feature: says so, and reads again after each reconnect', async () => {
  const server = await scriptedServer()
  server.on(SINCE, () => ({ statusCode: 404 }))
  const page = openPage(open(server.port), { requests: ['/user'] })
  await page.caughtUpTimes(1)
  expect(page.gap).toEqual([])
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  await eventually(() => expect(page.handled).toHaveLength(1))
  for (const times of [1, 2]) {
    server.cut()
    await eventually(() => expect(page.gap.at(times - 1)).toMatchObject({ reason: 'failed', lists: { '/user': [] } }))
    await page.caughtUpTimes(1 + times)
  }
  expect(page.error).toEqual([1, 2, 3].map(() => ({ path: SINCE, status: 404 })))
})

test('a subscribing request that is refused is reported, and does not hold up the others', async () => {
  const server = await scriptedServer()
  server.on('/user', () => ({ statusCode: 403, body: 'no' }))
  const page = openPage(open(server.port), { requests: ['/user', '/pet'] })
  await page.caughtUpTimes(1)
  expect(page.error).toEqual([{ path: '/user', status: 403, body: 'no' }])
})

test('what failed but may succeed is repeated as a gap', async () => {
  const server = await scriptedServer()
  server.on('/user', () => ({ statusCode: 429, body: 'later' }))
  const page = openPage(open(server.port), { requests: ['/user'] })
  await page.caughtUpTimes(1)
  server.on('/user', () => ({ statusCode: 200, body: ['fresh'] }))
  await eventually(() => expect(page.gap).toMatchObject([{ reason: 'failed', lists: { '/user': ['fresh'] } }]), {
    withinMs: 10_000,
  })
})

test('requests that are never answered are given up', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  afterScope(() => vi.useRealTimers())
  const server = await scriptedServer()
  server.on('/user', () => undefined)
  server.on(SINCE, () => undefined)
  const storage = memoryStorage({ changefeed: '1.1.1' })
  const page = openPage(open(server.port), { requests: ['/user'], storage })
  await vi.waitFor(() => expect(server.requests).toHaveLength(1))
  vi.advanceTimersByTime(20_000)
  expect(page.error).toMatchObject([{ path: '/user', status: 0 }])
  server.on('/user', () => ({ statusCode: 200, body: ['fresh'] }))
  await vi.waitFor(() => expect(server.requests).toHaveLength(2))
  vi.advanceTimersByTime(20_000)
  expect(page.error[1]).toMatchObject({ path: SINCE, status: 0 })
  expect(page.changes.state).toBe('refreshing')
  vi.advanceTimersByTime(100)
  await vi.waitFor(() => expect(page.changes.state).toBe('live'))
  expect(page.gap[0]).toMatchObject({ reason: 'failed', lists: { '/user': ['fresh'] } })
})

test('the cursor survives a reload in a storage', async () => {
  const server = await scriptedServer()
  const storage = memoryStorage()
  const before = openPage(open(server.port), { storage })
  await before.caughtUpTimes(1)
  server.send('user', updated(1, 'ann'), { cursor: '1.2.3' })
  await eventually(() => expect(storage.content).toEqual({ changefeed: '1.2.3' }))
  const after = openPage(open(server.port), { storage })
  await after.caughtUpTimes(1)
  expect(server.requests.at(-1)).toBe(`${SINCE}?inclusive=1&cursor=1.2.3`)
})

test('a storage with foreign content, or one that is full, costs a gap or nothing', async () => {
  const server = await scriptedServer()
  server.on(SINCE, (socket, url) => {
    if (url.includes('cursor=')) return { statusCode: 400 }
    caughtUp(socket, '1.1.1')
    return { statusCode: 200 }
  })
  const foreign = openPage(open(server.port), { storage: memoryStorage({ changefeed: '{"a":1}&x=#' }) })
  await foreign.caughtUpTimes(1)
  expect(foreign.gap).toMatchObject([{ reason: 'failed' }])
  const setItem = () => {
    throw new Error('full')
  }
  const full = openPage(open(server.port), { storage: { getItem: () => null, setItem } })
  await full.caughtUpTimes(1)
  expect(full.gap).toEqual([])
})

/** What is reported as an unhandled rejection until the end of the test. */
function unhandledRejections(): unknown[] {
  const reported: unknown[] = []
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', error => void reported.push(error))
  afterScope(() => {
    process.removeAllListeners('unhandledRejection')
    for (const each of others) process.on('unhandledRejection', each)
  })
  return reported
}

test('a handler that throws costs no other message', async () => {
  const { server, page } = await livePage()
  const reported = unhandledRejections()
  page.socket.on('user', message => {
    if ((message as { id: number }).id === 1) throw new Error('of the app')
  })
  server.on(SINCE, socket => {
    sendTo(socket, updated(1, 'a'), '1.1.1')
    sendTo(socket, updated(2, 'b'), '1.1.2')
    caughtUp(socket, '1.1.0')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(2)
  expect(page.handled).toHaveLength(2)
  await eventually(() => expect(reported).toEqual([new Error('of the app')]))
})

test('callbacks that throw hold up nothing', async () => {
  const server = await scriptedServer()
  const reported = unhandledRejections()
  server.on('/user', () => ({ statusCode: 200, body: [{ id: 1, name: 'ann' }] }))
  const page = openPage(open(server.port))
  const fail = (what: string) => () => {
    throw new Error(what)
  }
  page.changes.get('/user', fail('take'))
  page.changes.live('/user').onChange = fail('onChange')
  for (const name of ['gap', 'caughtUp'] as const) page.changes.on(name, fail(name))
  await page.caughtUpTimes(1)
  server.send('changefeed', { verb: 'gap', reason: 'declared', identities: [] })
  await page.caughtUpTimes(2)
  server.send('user', updated(1, 'bob'), { cursor: '1.1.1' })
  await eventually(() => expect(page.handled).toHaveLength(1))
  const failures = ['take', 'onChange', 'caughtUp', 'take', 'onChange', 'gap', 'caughtUp', 'onChange']
  await eventually(() => expect(reported).toEqual(failures.map(what => new Error(what))))
})

test('lists and messages are handed over although changes go missing all the time', async () => {
  const server = await scriptedServer()
  let count = 0
  server.on('/user', socket => {
    const cursor = `1.1.${++count}`
    sendTo(socket, updated(1, `${count}`), cursor)
    socket.emit('changefeed', { verb: 'refetch', identity: 'user', reason: 'truncate' }, { cursor })
    return { statusCode: 200, body: [{ id: 1, name: `list ${count}` }] }
  })
  const page = openPage(open(server.port))
  const lists: string[] = []
  page.changes.get<{ name: string }[]>('/user', ([user]) => void lists.push(user?.name ?? ''))
  await eventually(() => expect(lists.slice(0, 4)).toEqual([1, 2, 3, 4].map(each => `list ${each}`)))
  await eventually(() => expect(page.handled.slice(0, 3)).toHaveLength(3))
  expect(page.gap.length).toBeGreaterThan(1)
})

test('a gap that is declared while lists are read is reported with later lists', async () => {
  const { server, page } = await livePage({ requests: ['/user'] })
  const gap = (reason: string) => server.send('changefeed', { verb: 'gap', reason, identities: [] })
  const names = ['first', 'second']
  server.on('/user', () => {
    const name = names.shift()
    if (name === 'first') gap('tooMuch')
    return { statusCode: 200, body: [name] }
  })
  gap('declared')
  await page.caughtUpTimes(2)
  expect(page.gap.map(({ reason, lists }) => [reason, lists['/user']])).toEqual([
    ['declared', ['first']],
    ['tooMuch', ['second']],
  ])
})

test('a checkpoint moves the cursor forward only', async () => {
  const { server, page } = await livePage()
  const checkpoint = (cursor: string) => server.send('changefeed', { verb: 'checkpoint', cursor })
  const returnsFrom = async (times: number) => {
    await eventually(() => expect(page.handled).toHaveLength(times))
    server.cut()
    await page.caughtUpTimes(1 + times)
    return server.requests.at(-1)?.replace(/.*cursor=/, '')
  }
  server.on(SINCE, socket => {
    caughtUp(socket, '1.2.9')
    return { statusCode: 200 }
  })
  server.send('user', updated(1, 'ann'), { cursor: '1.2.9' })
  checkpoint('1.2.3')
  server.send('user', updated(1, 'bob'))
  await eventually(() => expect(page.handled).toHaveLength(2))
  page.handled.length = 1
  expect(await returnsFrom(1)).toBe('1.2.9')
  checkpoint('1.2.z')
  server.send('user', updated(1, 'eve'))
  expect(await returnsFrom(2)).toBe('1.2.z')
})

test('a database with an earlier history has its cursor', async () => {
  const { server, page } = await livePage()
  server.on(SINCE, socket => {
    socket.emit('changefeed', { verb: 'gap', reason: 'otherEpoch', identities: ['user'] })
    caughtUp(socket, '0.9.9')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(2)
  server.cut()
  await page.caughtUpTimes(3)
  expect(server.requests.at(-1)).toBe(`${SINCE}?inclusive=1&cursor=0.9.9`)
})

test('without a cursor, what was missed since the connection before is a gap', async () => {
  const server = await scriptedServer()
  server.on(SINCE, () => undefined)
  server.on('/user', () => ({ statusCode: 200, body: ['old'] }))
  const page = openPage(open(server.port))
  const lists: unknown[] = []
  page.changes.get('/user', list => void lists.push(list))
  await eventually(() => expect(page.changes.state).toBe('catchingUp'))
  server.on('/user', () => ({ statusCode: 200, body: ['new'] }))
  server.on(SINCE, socket => {
    caughtUp(socket, '1.1.1')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(1)
  expect(lists).toEqual([['old'], ['new']])
  expect(page.gap).toMatchObject([{ reason: 'failed', lists: { '/user': ['new'] } }])
})

test('a list that was refused is handed over when it is not any more', async () => {
  const server = await scriptedServer()
  server.on('/user', () => ({ statusCode: 403 }))
  const page = openPage(open(server.port))
  const lists: unknown[] = []
  page.changes.get('/user', list => void lists.push(list))
  await page.caughtUpTimes(1)
  server.on('/user', () => ({ statusCode: 200, body: ['ann'] }))
  server.cut()
  await page.caughtUpTimes(2)
  expect([lists, page.gap]).toEqual([[['ann']], []])
})

test('of a record that no room is left of, `destroyed` is kept, and what was sent before it is not', async () => {
  const { server, page } = await livePage()
  server.on(SINCE, socket => {
    sendTo(socket, updated(1, 'gone'), '1.1.2')
    sendTo(socket, { verb: 'destroyed', id: 1 }, '1.1.3')
    sendTo(socket, updated(2, 'bob'), '1.1.4', { replayed: true })
    caughtUp(socket, '1.1.4')
    return { statusCode: 200 }
  })
  server.cut()
  await page.caughtUpTimes(2)
  expect(page.handled).toEqual(['user updated 2 {"name":"bob"}', 'user destroyed 1'])
})

test('a late `caughtUp` changes nothing', async () => {
  const { server, page } = await livePage({ requests: ['/user'] })
  server.on('/user', socket => {
    caughtUp(socket, '9.9.9')
    return { statusCode: 200, body: ['fresh'] }
  })
  server.send('changefeed', { verb: 'gap', reason: 'declared', identities: [] })
  await page.caughtUpTimes(2)
  expect(page.gap).toMatchObject([{ lists: { '/user': ['fresh'] } }])
})

test('after close() messages pass as without the client', async () => {
  const { server, page } = await livePage()
  page.changes.close()
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  await eventually(() => expect(page.handled).toHaveLength(2))
  server.requests.length = 0
  server.cut()
  await eventOf(page.socket as never, 'connect')
  server.send('user', updated(1, 'bob'), { cursor: '1.1.2' })
  await eventually(() => expect(page.handled).toHaveLength(3))
  expect(server.requests).toEqual([])
})

test('a socket whose client was closed gets another one, also if it reconnects by itself', async () => {
  const server = await scriptedServer()
  const socket = openSailsSocket({ port: server.port })
  const page = openPage(socket)
  await page.caughtUpTimes(1)
  page.changes.close()
  const other = openPage(socket)
  expect(other.changes).not.toBe(page.changes)
  await other.caughtUpTimes(1)
  const gone = eventOf(socket, 'disconnect')
  socket.disconnect()
  await gone
  socket.reconnect()
  await other.caughtUpTimes(2)
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  await eventOf(socket, 'user')
  expect([page.changes.state, page.caughtUp.length]).toEqual(['disconnected', 1])
})

test('one client for a socket, and several for several', async () => {
  const { server, page } = await livePage()
  expect(changefeed(page.socket)).toBe(page.changes)
  const other = openPage(open(server.port))
  await other.caughtUpTimes(1)
  expect(other.changes).not.toBe(page.changes)
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  await eventually(() => expect([page.handled.length, other.handled.length]).toEqual([1, 1]))
})

test("sails.io.js' own disconnect and reconnect keep the client", async () => {
  const server = await scriptedServer()
  const socket = openSailsSocket({ port: server.port })
  const page = openPage(socket)
  await page.caughtUpTimes(1)
  const gone = eventOf(socket, 'disconnect')
  socket.disconnect()
  await gone
  expect(page.changes.state).toBe('disconnected')
  socket.reconnect()
  await page.caughtUpTimes(2)
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  server.send('user', updated(1, 'ann'), { cursor: '1.1.1' })
  server.send('user', updated(2, 'bob'), { cursor: '1.1.2' })
  const repeats = (await eventOf(socket, 'user', {
    where: message => (message as { id: number }).id === 2,
  })) as unknown[]
  expect(repeats).toHaveLength(2)
})

test('a list follows its messages, and is requested again where only the server knows it', async () => {
  const { server, page } = await livePage()
  let rows: object[] = [{ id: 1, name: 'ann' }]
  server.on('/user', () => ({ statusCode: 200, body: rows }))
  const users = page.changes.live<{ id: number; name: string }>('/user')
  const seen: string[] = []
  users.onChange = list => void seen.push(list.map(({ name }) => name).join())
  await eventually(() => expect(seen).toEqual(['ann']))
  server.send('user', { verb: 'created', id: 2, data: { id: 2, name: 'bob' } }, { cursor: '1.1.1' })
  server.send('user', updated(1, 'eve'), { cursor: '1.1.2' })
  server.send('user', { verb: 'destroyed', id: 2 }, { cursor: '1.1.3' })
  await eventually(() => expect(seen).toEqual(['ann', 'ann,bob', 'eve,bob', 'eve']))
  expect(server.requests.filter(url => url === '/user')).toHaveLength(1)
  rows = [{ id: 1, name: 'eve', age: 3 }]
  server.send('user', { verb: 'updated', id: 1, data: { age: 3 } }, { cursor: '1.1.4' })
  await eventually(() => expect([...users]).toEqual(rows))
  expect(server.requests.filter(url => url === '/user')).toHaveLength(2)
})

test('a list that is filtered, or at its limit, is handed over again after a reconnect', async () => {
  const { server, page } = await livePage()
  const rows = [1, 2].map(id => ({ id }))
  server.on('/user', () => ({ statusCode: 200, body: rows }))
  const lists: number[] = []
  page.changes.get<object[]>('/user?limit=2', list => void lists.push(list.length))
  page.changes.get<object[]>('/user?limit=3', list => void lists.push(-list.length))
  page.changes.get<object[]>('/user?limit=3&name=ann', list => void lists.push(10 * list.length))
  await eventually(() => expect(lists).toEqual([2, -2, 20]))
  const count = page.caughtUp.length
  server.cut()
  await page.caughtUpTimes(count + 1)
  expect(lists).toEqual([2, -2, 20, 2, 20])
})

test('what waited when a connection broke is not handed over after newer lists', async () => {
  const server = await scriptedServer()
  server.on('/slow', socket => {
    sendTo(socket, updated(1, 'old'), '1.1.1')
    socket.emit('chat', 'the message has come')
    return undefined
  })
  const page = openPage(open(server.port), { requests: ['/slow'] })
  await eventOf(page.socket as never, 'chat')
  expect(page.changes.state).toBe('subscribing')
  server.on('/slow', () => ({ statusCode: 200, body: [] }))
  server.cut()
  await page.caughtUpTimes(1)
  expect(page.gap).toMatchObject([{ reason: 'failed' }])
  expect(page.handled).toEqual([])
})

test('a live list of the path of one record has that record', async () => {
  const { server, page } = await livePage()
  server.on('/user/1', () => ({ statusCode: 200, body: { id: 1, name: 'ann' } }))
  const list = page.changes.live('/user/1')
  await eventually(() => expect(list).toEqual([{ id: 1, name: 'ann' }]))
  server.send('user', updated(1, 'bob'), { cursor: '1.2.3' })
  await eventually(() => expect(list).toEqual([{ id: 1, name: 'bob' }]))
})
