import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'
import type { Socket } from 'socket.io'
import { afterEach, expect, test, vi } from 'vitest'
import type { CaughtUpEvent } from '../../../src/pipeline/events.ts'
import { HOLD_ROOM } from '../../../src/publish/socketio/live-hold.ts'
import { eventLoopTurn } from '../../../src/publish/time-slice.ts'
import { wrapPublisher } from '../../../src/publish/wrap-publisher.ts'
import type { Message } from '../../helpers/inbox.ts'
import type { SailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { feedingApp } from '../realtime/feeding-app.ts'

afterEach(() => void vi.useRealTimers())

type App = Awaited<ReturnType<typeof feedingApp>>

/** Its handshake announces that it will catch up. */
const ANNOUNCED = { query: 'changefeed=1' }

const lineOf = ({ event, data, meta }: Message) => `${event} ${JSON.stringify(data)} ${meta?.cursor}`
/** Something that a test waits for. */
function signal() {
  let set = () => {}
  const happened = new Promise<void>(resolve => {
    set = resolve
  })
  return { set, happened }
}

const isFeedEvent = ({ event }: Message) => event === 'changefeed'

/** Subscribes, then asks for what came after the cursor. Returns the messages that it received meanwhile. */
async function returns(client: SailsClient, cursor: string, paths = ['/owner', '/pet', '/student', '/course']) {
  client.messages.clear()
  await client.reconnect()
  for (const path of paths) await client.get(path)
  const answer = await client.get('/changefeed/since', { cursor })
  await client.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  return { answer, messages: client.messages.all.filter(message => !isFeedEvent(message)) }
}

/** A client that stays and one that will return, both subscribed to everything. */
async function twoClients({ connect, feed }: App) {
  const [stays, leaves] = [await connect(), await connect(ANNOUNCED)]
  for (const client of [stays, leaves]) {
    for (const path of ['/owner', '/pet', '/student', '/course']) await client.get(path)
  }
  await leaves.get('/changefeed/since')
  await feed.settled()
  stays.messages.clear()
  return { stays, leaves, cursor: await feed.cursor() }
}

test('a client that returns receives what one that stayed has received, in order, marked as replayed', async () => {
  const app = await feedingApp()
  const { database, collections, feed } = app
  await database.query(`insert into owner (name) values ('ann'), ('bob'); insert into course (name) values ('maths')`)
  await feed.settled()
  const { stays, leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await database.query(`insert into pet (name, owner) values ('rex', 1), ('tom', 2)`)
  await database.query(`update pet set owner = 2 where name = 'rex'; update owner set name = 'anna' where id = 1`)
  await collections.student.create({ id: 1, name: 'eve', courses: [1] })
  await collections.student.removeFromCollection(1, 'courses').members([1])
  await database.query(`insert into pet (name) values ('gone'); delete from pet where name = 'gone'`)
  await database.query('delete from owner where id = 2')
  await feed.settled()
  const { answer, messages } = await returns(leaves, cursor)
  expect(answer).toMatchObject({ statusCode: 200, body: { replayed: messages.length } })
  expect(answer.body.gaps).toBeUndefined()
  // The room of owner 2 is gone, so of that record only its end is replayed, without the record.
  const ofOwner2 = (line: string) => /^owner \{.*"id":2,/.test(line)
  const expected = stays.messages.all.map(lineOf).filter(line => !ofOwner2(line) || line.includes('destroyed'))
  const withoutPrevious = (line: string) => line.replace(/("verb":"destroyed","id":2),"previous":\{[^}]*\}/, '$1')
  expect(messages.map(lineOf)).toEqual(expected.map(withoutPrevious))
  expect(messages.every(({ meta }) => meta.replayed === true)).toBe(true)

  stays.messages.clear()
  leaves.messages.clear()
  await database.query(`update owner set name = 'ann' where id = 1; insert into pet (name) values ('kim')`)
  await feed.settled()
  await leaves.messages.next('pet')
  expect(leaves.messages.all.map(lineOf)).toEqual(stays.messages.all.map(lineOf))
})

test('while writes go on, there is no hole, no repeat and no inversion between the replay and what is live', async () => {
  const app = await feedingApp()
  const { database, feed } = app
  await database.query(`insert into owner (name) values ('ann')`)
  await feed.settled()
  const { stays, leaves, cursor } = await twoClients(app)
  let [isWriting, count] = [true, 0]
  const writing = (async () => {
    while (isWriting)
      await database.query(`insert into pet (name) values ('pet ${++count}'); update owner set name = 'ann ${count}'`)
  })()
  let from = cursor
  for (let round = 0; round < 5; round++) {
    await leaves.disconnect()
    await stays.messages.count('pet', stays.messages.of('pet').length + 5)
    const seen = leaves.messages.all.filter(message => !isFeedEvent(message))
    from = seen.at(-1)?.meta.cursor ?? from
    const before = [...seen]
    await returns(leaves, from, ['/owner', '/pet'])
    leaves.messages.all.unshift(...before)
  }
  isWriting = false
  await writing
  await feed.settled()
  const last = stays.messages.all.at(-1)?.meta.cursor
  await leaves.messages.next('owner', ({ meta }) => meta.cursor === last)
  const lines = leaves.messages.all.filter(message => !isFeedEvent(message)).map(lineOf)
  expect(lines).toEqual(stays.messages.all.map(lineOf))
})

test('a cursor younger than the memory takes no query: the tables of the feed may be locked', async () => {
  const app = await feedingApp()
  const { database, feed } = app
  const { leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await database.query(`insert into pet (name) values ('rex')`)
  await feed.settled()
  await leaves.reconnect()
  await leaves.get('/pet')
  const blocker = await database.connect()
  const tables = ['change', 'tick', 'state', 'consumer', 'pause', 'lease'].map(name => `changefeed.${name}`)
  await blocker.query(`begin; lock table ${tables.join(', ')} in access exclusive mode`)
  expect((await leaves.get('/changefeed/since', { cursor })).body).toMatchObject({ replayed: 1 })
  await blocker.query('rollback')
})

test('a gap is sent for an epoch of another database, and nothing else', async () => {
  const app = await feedingApp()
  const { leaves } = await twoClients(app)
  await leaves.disconnect()
  const { answer, messages } = await returns(leaves, '1.1.1', ['/pet'])
  expect(answer.body).toMatchObject({ replayed: 0, gaps: [{ reason: 'otherEpoch', identities: ['pet'] }] })
  expect(messages).toEqual([])
  expect(leaves.messages.of('changefeed').map(({ data }) => data.verb)).toEqual(['gap', 'caughtUp'])
})

test.each([
  ['a malformed cursor', { cursor: "x' or 1=1" }, 400, 'E_BAD_REQUEST'],
  ['a list as cursor', { cursor: ['1.1.1'] }, 400, 'E_BAD_REQUEST'],
])('%s is refused', async (_name, data, status, code) => {
  const { connect } = await feedingApp()
  const answer = await (await connect()).get('/changefeed/since', data)
  expect(answer).toMatchObject({ statusCode: status, body: { code } })
})

test('without a room nothing is sent, whatever the cursor', async () => {
  const { database, feed, connect } = await feedingApp()
  const cursor = await feed.cursor()
  await database.query(`insert into owner (name) values ('ann')`)
  await feed.settled()
  const client = await connect()
  const answer = await client.get('/changefeed/since', { cursor })
  expect(answer.body).toMatchObject({ replayed: 0 })
  expect(client.messages.all.filter(message => !isFeedEvent(message))).toEqual([])
})

test('a policy may refuse', async () => {
  const { connect } = await feedingApp(undefined, { catchUp: { policy: () => false } })
  const answer = await (await connect()).get('/changefeed/since')
  expect(answer).toMatchObject({ statusCode: 403, body: { code: 'E_FORBIDDEN' } })
})

test('above maxMessages the rest is a gap', async () => {
  const app = await feedingApp(undefined, { catchUp: { maxMessages: 5 } })
  const { leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await app.database.query(`insert into pet (name) select 'pet' from generate_series(1, 20)`)
  await app.feed.settled()
  const { answer } = await returns(leaves, cursor, ['/pet'])
  expect(answer.body.gaps).toMatchObject([{ reason: 'tooMuch', identities: expect.arrayContaining(['pet']) }])
})

test('above maxBytes the rest is a gap', async () => {
  const app = await feedingApp(undefined, { catchUp: { maxBytes: 2_000 } })
  const { leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await app.database.query(`insert into pet (name) select repeat('x', 600) from generate_series(1, 20)`)
  await app.feed.settled()
  const { answer, messages } = await returns(leaves, cursor, ['/pet'])
  expect(answer.body.gaps).toMatchObject([{ reason: 'tooMuch', identities: expect.arrayContaining(['pet']) }])
  expect(messages).toHaveLength(3) // of some 700 bytes each
})

test('above concurrentClients a socket waits for its turn, and for 15 s at most', async () => {
  const [publishing, proceed] = [signal(), signal()]
  const { database, feed, realtime, connect } = await feedingApp(
    undefined,
    { catchUp: { concurrentClients: 1 } },
    publisher =>
      wrapPublisher(publisher, async (event, meta) => {
        publishing.set()
        await proceed.happened
        await publisher.publish(event, meta)
      }),
  )
  const [first, second, third] = [await connect(), await connect(), await connect()]
  for (const client of [first, second, third]) await client.get('/pet')
  const cursor = await feed.cursor()
  await database.query(`insert into pet (name) values ('rex')`)
  await publishing.happened
  const since = { cursor }
  const answers = [first.get('/changefeed/since', since)]
  await first.messages.next('pet') // it waits for the end of this event
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const late = feed.catchUp(realtime.io.of('/').sockets.get(second.id) as Socket, since)
  await eventLoopTurn() // it waits
  vi.advanceTimersByTime(15_000)
  vi.useRealTimers()
  expect(await late).toMatchObject({ replayed: 0, gaps: [{ reason: 'tooMany', identities: ['pet'] }] })
  answers.push(third.get('/changefeed/since', since))
  proceed.set()
  for (const answer of answers) expect((await answer).body).toMatchObject({ replayed: 1 })
})

test('a second request meanwhile is refused, and does not release the socket', async () => {
  const [asked, allowed] = [signal(), signal()]
  const policy = async () => {
    asked.set()
    await allowed.happened
    return true
  }
  const { database, feed, connect } = await feedingApp(undefined, { catchUp: { policy } })
  const client = await connect(ANNOUNCED)
  await client.get('/pet')
  const first = client.get('/changefeed/since', { cursor: await feed.cursor() })
  await asked.happened
  expect(await client.get('/changefeed/since')).toMatchObject({ statusCode: 400, body: { code: 'E_BAD_REQUEST' } })
  await database.query(`insert into pet (name) values ('rex')`)
  await feed.settled()
  allowed.set()
  expect((await first).body).toMatchObject({ replayed: 1 })
  await client.messages.next('changefeed')
  expect(client.messages.of('pet').map(({ meta }) => meta.replayed)).toEqual([true])
})

test('a socket that announced itself and does not ask receives a gap, then the cursor of what follows', async () => {
  const { database, feed, connect } = await feedingApp()
  const outcomes: CaughtUpEvent[] = []
  feed.on('caughtUp', outcome => outcomes.push(outcome))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const client = await connect(ANNOUNCED)
  await client.get('/pet')
  await database.query(`insert into pet (name) values ('rex')`)
  await feed.settled()
  vi.advanceTimersByTime(30_000)
  vi.useRealTimers()
  const { data } = await client.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  expect(data).toEqual({ verb: 'caughtUp', cursor: await feed.cursor() })
  await database.query(`insert into pet (name) values ('tom')`)
  await client.messages.next('pet')
  expect(client.messages.all.map(({ data: { verb, reason, id } }) => [verb, reason ?? id])).toEqual([
    ['gap', 'expired'],
    ['caughtUp', undefined],
    ['created', 2],
  ])
  expect(outcomes).toMatchObject([{ replayed: 0, gaps: [{ reason: 'expired', identities: ['pet'] }] }])
})

test('a socket that is disconnected while it catches up is not an error of its request', async () => {
  const [asked, allowed] = [signal(), signal()]
  const policy = async () => {
    asked.set()
    await allowed.happened
    return true
  }
  const { database, feed, realtime, connect } = await feedingApp(undefined, { catchUp: { policy } })
  const [client, cursor] = [await connect(), await feed.cursor()]
  await client.get('/pet')
  await database.query(`insert into pet (name) values ('rex')`)
  await feed.settled()
  const socket = realtime.io.of('/').sockets.get(client.id)
  const outcome = feed.catchUp(socket as Socket, { cursor }).catch((error: unknown) => error)
  await asked.happened
  socket?.disconnect()
  allowed.set()
  expect(await outcome).toMatchObject({ code: 'E_DISCONNECTED' })
})

test('while the feed is stopped, a request is refused, and the socket is not held any longer', async () => {
  const { feed, realtime, connect } = await feedingApp()
  const client = await connect(ANNOUNCED)
  const isHeld = () => realtime.io.of('/').adapter.rooms.get(HOLD_ROOM)?.has(client.id) === true
  expect(isHeld()).toBe(true)
  await feed.stop()
  expect(await client.get('/changefeed/since')).toMatchObject({ statusCode: 503, body: { code: 'E_UNAVAILABLE' } })
  expect(isHeld()).toBe(false)
})

test('an event that is being sent is not sent twice', async () => {
  const [publishing, proceed] = [signal(), signal()]
  const { database, feed, connect } = await feedingApp(undefined, {}, publisher =>
    wrapPublisher(publisher, async (event, meta) => {
      publishing.set()
      await proceed.happened
      await publisher.publish(event, meta)
    }),
  )
  const client = await connect()
  await client.get('/pet')
  const cursor = await feed.cursor()
  await database.query(`insert into pet (name) values ('rex')`)
  await publishing.happened
  const answer = client.get('/changefeed/since', { cursor })
  await client.messages.next('pet')
  proceed.set()
  expect((await answer).body).toMatchObject({ replayed: 1 })
  await database.query(`insert into pet (name) values ('tom')`)
  await feed.settled()
  await client.messages.next('pet', ({ data }) => data.id === 2)
  expect(client.messages.of('pet').map(({ data, meta }) => [data.id, meta.replayed])).toEqual([
    [1, true],
    [2, undefined],
  ])
})

/** Small enough that {@link forgetEarlier} fills it. */
const SMALL_MEMORY = { memoryBytes: 40_000 }

/** Sends so many messages of another model that earlier ones are dropped from memory. */
async function forgetEarlier({ database, feed }: App) {
  await database.query(`insert into student (id, name) select n, 'eve' from generate_series(1, 200) n`)
  await feed.settled()
}

/** Counts the queries that an action causes, of all connections of this process. */
function queryCounter() {
  const { query } = pg.Client.prototype
  const running = new AsyncLocalStorage<{ queries: number }>()
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const count = running.getStore()
    if (count) count.queries++
    return Reflect.apply(query, this, args)
  } as typeof query
  afterScope(() => {
    pg.Client.prototype.query = query
  })
  return async <Result>(action: () => Promise<Result>) => {
    const count = { queries: 0 }
    const result = await running.run(count, action)
    return { result, ...count }
  }
}

test('a cursor younger than the memory takes no query, an older one does', async () => {
  const countQueries = queryCounter()
  const app = await feedingApp(undefined, { catchUp: SMALL_MEMORY })
  const { leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await app.database.query(`insert into pet (name) values ('rex')`)
  await app.feed.settled()
  await leaves.reconnect()
  await leaves.get('/pet')
  const catchUp = () => app.feed.catchUp(app.realtime.io.of('/').sockets.get(leaves.id) as Socket, { cursor })
  expect(await countQueries(catchUp)).toMatchObject({ result: { replayed: 1 }, queries: 0 })
  await forgetEarlier(app)
  const { result, queries } = await countQueries(catchUp)
  expect(result).toMatchObject({ replayed: 1 })
  expect(queries).toBeGreaterThan(0)
})

test('what was dropped from memory comes from the change log, the rest from memory, as one', async () => {
  const app = await feedingApp(undefined, { catchUp: SMALL_MEMORY })
  const { database, feed } = app
  const { stays, leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await database.query(`insert into pet (name) values ('rex'), ('tom'); update pet set name = 'kim' where id = 1`)
  await forgetEarlier(app)
  await database.query(`insert into pet (name) values ('ivy'); delete from pet where id = 2`)
  await feed.settled()
  const { answer, messages } = await returns(leaves, cursor, ['/pet'])
  expect(answer.body.gaps).toBeUndefined()
  expect(messages).toHaveLength(5)
  expect(messages.map(lineOf)).toEqual(stays.messages.of('pet').map(lineOf))
})

test.each(['memory', 'the log'])('attributes that are not sent live are not replayed from %s', async place => {
  const models = { pet: { omit: ['name'] }, owner: true, course: true, student: true }
  const app = await feedingApp(undefined, { models, catchUp: SMALL_MEMORY })
  const { stays, leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await app.database.query(`insert into pet (name) values ('secret'); delete from pet`)
  await app.feed.settled()
  if (place === 'the log') await forgetEarlier(app)
  const { messages } = await returns(leaves, cursor, ['/pet'])
  expect(messages.map(({ data }) => data.verb)).toEqual(['created', 'destroyed'])
  expect(messages.map(lineOf)).toEqual(stays.messages.of('pet').map(lineOf))
  expect(JSON.stringify(leaves.messages.all)).not.toContain('secret')
})

test('a socket does not receive what it has written itself, but what its earlier connection wrote', async () => {
  const app = await feedingApp()
  const { database, feed } = app
  const { leaves, cursor } = await twoClients(app)
  const write = async (name: string) => {
    await database.query(
      `begin; set local changefeed.origin = '${leaves.id}'; insert into pet (name) values ('${name}'); commit`,
    )
    await feed.settled()
  }
  await write('before')
  await leaves.disconnect()
  await leaves.reconnect()
  await leaves.get('/pet')
  await write('after')
  expect((await leaves.get('/changefeed/since', { cursor })).body).toMatchObject({ replayed: 1 })
  await leaves.messages.next('changefeed', ({ data }) => data.verb === 'caughtUp')
  expect(leaves.messages.of('pet').map(({ data }) => data.data.name)).toEqual(['before'])
})

test.each([
  ['a tick that does not exist', (parts: string[]) => [parts[0], 'zzzzzz', parts[2]], ['otherEpoch']],
  ['a place that no change has', (parts: string[]) => [parts[0], parts[1], 'zzzzzzz'], []],
  ['another epoch', (parts: string[]) => ['zz', parts[1], parts[2]], ['otherEpoch']],
])('a forged cursor, %s, brings nothing that the rooms would not', async (_name, forge, reasons) => {
  const app = await feedingApp()
  const { leaves, cursor } = await twoClients(app)
  await leaves.disconnect()
  await app.database.query(`insert into pet (name) values ('rex'); insert into student (name) values ('eve')`)
  await app.feed.settled()
  const { answer, messages } = await returns(leaves, forge(cursor.split('.')).join('.'), ['/pet'])
  expect(answer.statusCode).toBe(200)
  expect((answer.body.gaps ?? []).map(({ reason }: { reason: string }) => reason)).toEqual(reasons)
  expect(messages.filter(({ event }) => event !== 'pet').map(lineOf)).toEqual([])
})

test('events that nobody received are read from the log, also where others of the same transaction were kept', async () => {
  const { database, feed, connect } = await feedingApp()
  const client = await connect(ANNOUNCED)
  await client.get('/pet')
  await client.get('/changefeed/since')
  const cursor = await feed.cursor()
  await client.disconnect()
  await database.query(
    `insert into pet (name) values ('rex'); update pet set name = 'max'; update pet set name = 'tom'`,
  )
  await feed.settled()
  const { answer, messages } = await returns(client, cursor, ['/pet'])
  expect(messages.map(({ data }) => data.verb)).toEqual(['created', 'updated', 'updated'])
  expect(answer.body.gaps).toBeUndefined()
})
