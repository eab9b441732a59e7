import { expect, test } from 'vitest'
import { type Changefeed, createChangefeed } from '../../../src/changefeed.ts'
import { readModels } from '../../../src/models/model-map.ts'
import type { ChangefeedOptions } from '../../../src/options.ts'
import { formatOrigin } from '../../../src/publish/origin.ts'
import { classRoom, contextRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { socketPublisher } from '../../../src/publish/socketio/socket-publisher.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { models, type Random, RECORDS, randomOf, seeds, writesOf } from '../invariants/collection-writes.ts'
import { socketServer } from '../realtime/socket-server.ts'
import { installedDatabase } from './fixture.ts'

const LINKS = 'course_students__student_courses'

const ROWS = `
  ${RECORDS.map(table => `insert into ${table} (id, name) values (1, 'a'), (2, 'b'), (3, 'c')`).join(';')};
  insert into ${LINKS} (course_students, student_courses) values (1, 1), (1, 2), (1, 2), (2, 1), (2, 3);
  insert into venue (driver, taxi) values (1, 1), (1, 2), (1, 2), (2, 3);
  insert into author_favorites__book_favorites_book values (default, 1, 1), (default, 2, 1);
  update pet set owner = id`

/** An app whose feeds and models connect to the database through counting proxies. */
async function openApp() {
  const database = await installedDatabase('receivers', models, { rows: ROWS })
  const [ofFeeds, ofModels] = [await startProxy(database.connectionString), await startProxy(database.connectionString)]
  const { collections } = await startWaterline({
    connectionString: ofModels.through(database.connectionString),
    models,
  })
  const connectionString = ofFeeds.through(database.connectionString)
  const startFeed = async (options: Partial<ChangefeedOptions>) => {
    const feed = createChangefeed({ connectionString, collections, ...options })
    afterScope(() => feed.stop())
    await feed.start()
    return feed
  }
  /** The number of queries that feeds send to tables of the app for a write. */
  const queriesOf = async (feed: Changefeed, sql: string) => {
    const count = () => ofFeeds.sent('lock table') + ofModels.sent('select')
    const before = count()
    await database.query(sql)
    await feed.settled()
    return count() - before
  }
  return { database, collections, startFeed, queriesOf }
}

/** Writes whose messages require lookups. */
const WRITES = {
  'links of a junction table': `delete from ${LINKS} where course_students = 1`,
  'rows of a through model': 'delete from venue where id < 3',
  'a reference of a through model': 'update venue set taxi = 1 where id = 4',
  'a record with members': 'delete from owner where id = 1',
  'a record with links':
    'delete from student where id = 3; delete from driver where id = 2; delete from book where id = 1',
  'another primary key': 'update owner set id = 9 where id = 2',
  'a new record': `insert into owner (id, name) values (7, 'new')`,
  'an update': `update pet set name = 'other', owner = 3 where id = 2`,
}

test('without sockets no write causes a lookup', async () => {
  const { startFeed, queriesOf } = await openApp()
  const { io } = await socketServer()
  const feed = await startFeed({ io, populate: true })
  const changes: string[] = []
  feed.on('change', ({ identity, operation }) => changes.push(`${operation} ${identity}`))
  for (const [name, sql] of Object.entries(WRITES)) expect([name, await queriesOf(feed, sql)]).toEqual([name, 0])
  expect(changes).toHaveLength(13)
})

test('a feed without a publisher looks nothing up', async () => {
  const { startFeed, queriesOf } = await openApp()
  const feed = await startFeed({ populate: true })
  for (const [name, sql] of Object.entries(WRITES)) expect([name, await queriesOf(feed, sql)]).toEqual([name, 0])
})

test('a listener of `published` makes the feed look up everything', async () => {
  const { startFeed, queriesOf } = await openApp()
  const { io } = await socketServer()
  const feed = await startFeed({ io, populate: true })
  const published: string[] = []
  feed.on('published', ({ event }) =>
    published.push(`${event.verb} ${event.identity} ${'id' in event ? event.id : ''}`),
  )
  for (const [name, sql] of Object.entries(WRITES)) {
    published.length = 0
    expect([name, (await queriesOf(feed, sql)) > 0]).toEqual([name, true])
    if (name === 'a record with members') expect(published).toEqual(['destroyed owner 1', 'updated pet 1'])
    if (name === 'links of a junction table') {
      expect(published).toEqual([
        'removedFrom student 1',
        'removedFrom course 1',
        'removedFrom student 2',
        'removedFrom course 1',
        'removedFrom student 2',
        'removedFrom course 1',
      ])
    }
  }
})

test('a socket in other rooms causes no lookup', async () => {
  const { startFeed, queriesOf } = await openApp()
  const { io, member } = await socketServer()
  const feed = await startFeed({ io, populate: true })
  await member('lobby', classRoom('pet'), recordRoom('student', 2), recordRoom('author', 1))
  expect(await queriesOf(feed, `delete from ${LINKS} where course_students = 2`)).toBe(0)
  expect(await queriesOf(feed, 'delete from driver where id = 1')).toBe(0)
  expect(await queriesOf(feed, `delete from ${LINKS} where student_courses = 2`)).toBeGreaterThan(0)
  expect(await queriesOf(feed, 'delete from owner where id = 1')).toBeGreaterThan(0)
  expect(
    await queriesOf(feed, 'delete from author_favorites__book_favorites_book where author_favorites = 1'),
  ).toBeGreaterThan(0)
})

test('the deletion of a link by a blueprint is always looked up', async () => {
  const { startFeed, queriesOf } = await openApp()
  const { io } = await socketServer()
  const feed = await startFeed({ io })
  const origin = formatOrigin({ node: 'a', request: 'b', blueprint: true, mirror: false })
  const sql = `begin; set local changefeed.origin = '${origin}'; ${WRITES['links of a junction table']}; commit`
  expect(await queriesOf(feed, sql)).toBeGreaterThan(0)
})

/**
 * The same app with two feeds, each with its own sockets. One has a listener of `published`, and so looks up
 * everything.
 */
async function openPair(options: Partial<ChangefeedOptions>) {
  const app = await openApp()
  const sides: (Awaited<ReturnType<typeof socketServer>> & { readonly feed: Changefeed })[] = []
  for (const listens of [true, false]) {
    const server = await socketServer()
    const feed = await app.startFeed({ ...options, io: server.io })
    if (listens) feed.on('published', () => {})
    sides.push({ ...server, feed })
  }
  const write = async (sql: string) => {
    await app.database.query(sql)
    await Promise.all(sides.map(({ feed }) => feed.settled()))
  }
  /** One client of each. */
  const pairOfMembers = async (...rooms: string[]) => {
    const pair = await Promise.all(sides.map(({ member }) => member(...rooms)))
    const received = async () => {
      const [all, own] = await Promise.all(pair.map(each => each.received()))
      expect(own).toEqual(all)
      return all ?? []
    }
    const join = (room: string) => Promise.all(pair.map(({ socket }) => socket.join(room)))
    const leave = (room: string) => Promise.all(pair.map(({ socket }) => socket.leave(room)))
    return { received, join, leave }
  }
  return { ...app, write, pairOfMembers }
}

function roomOf(random: Random): string {
  const identity = random.of([...RECORDS, 'venue'])
  const collections = { owner: 'pets', student: 'courses', course: 'students', driver: 'taxis', taxi: 'drivers' }
  const alias = collections[identity as keyof typeof collections] ?? 'favorites'
  return random.of([
    classRoom(identity),
    recordRoom(identity, random.id()),
    recordRoom(identity, random.id()),
    contextRoom(identity, random.id(), random.of(['update', 'destroy', `add:${alias}`, `remove:${alias}`])),
    random.of(['named a', 'named new']),
  ])
}

const STEPS = 60

test.each(seeds.flatMap(seed => [[seed, 'plain'] as const, [seed, 'populate'] as const]))(
  'joining and leaving sockets receive the same as with all lookups: seed %i, %s',
  { timeout: 120_000 },
  async (seed, kind) => {
    const random = randomOf(seed)
    const rooms = (record: { name?: unknown }) => `named ${record.name}`
    const { write, pairOfMembers } = await openPair({
      populate: kind === 'populate',
      compatibility: kind === 'populate',
      models: kind === 'populate' ? { owner: { rooms }, pet: { rooms } } : {},
    })
    const members = [await pairOfMembers(), await pairOfMembers(), await pairOfMembers()]
    for (let step = 0; step < STEPS; step++) {
      for (const statements of writesOf(random)) {
        if (random.chance(0.8)) await random.of(members).join(roomOf(random))
        if (random.chance(0.3)) await random.of(members).leave(roomOf(random))
        await write(['begin', ...statements, 'commit'].join(';'))
      }
    }
    const received = await Promise.all(members.map(member => member.received()))
    expect(received.flat().length).toBeGreaterThan(STEPS / 4)
  },
)

test('subscribers of a model receive members inserted before their record, and no others', async () => {
  const { write, pairOfMembers } = await openPair({})
  const watcher = await pairOfMembers(classRoom('student'))
  await write(`
    begin;
    insert into ${LINKS} (course_students, student_courses) values (1, 9), (2, 9), (3, 9);
    delete from ${LINKS} where course_students = 3;
    delete from course where id = 1;
    insert into student (id, name) values (9, 'ann');
    commit`)
  const received = await watcher.received()
  expect(received.map(({ data }) => [data.verb, data.id, data.addedId].join(' '))).toEqual([
    'created 9 ',
    'addedTo 9 2',
  ])
})

/** A feed with a socket that joins a room just as an event of this kind is published. */
async function openJoining(rooms: Readonly<Record<string, string>>, options: Partial<ChangefeedOptions> = {}) {
  const app = await openApp()
  const server = await socketServer()
  const own = socketPublisher(server.io, { models: readModels(app.collections) })
  const late = await server.member()
  const feed = await app.startFeed({
    ...options,
    publish: 'local',
    publisher: {
      ...own,
      async publish(event, meta) {
        await own.publish(event, meta)
        const room = rooms[`${event.verb} ${event.identity}`]
        if (room !== undefined) await late.socket.join(room)
      },
    },
  })
  const hears = async (sql: string) => {
    await app.database.query(sql)
    await feed.settled()
    return (await late.received()).map(({ data }) => data)
  }
  return { ...app, hears }
}

test('a socket that joins between two events of a change receives later events: related records', async () => {
  const { hears } = await openJoining({ 'destroyed owner': recordRoom('pet', 1) })
  expect(await hears('delete from owner where id = 1')).toEqual([{ verb: 'updated', data: { owner: null }, id: 1 }])
})

test.each([
  ['a link', 1, [{ id: 1, verb: 'removedFrom', attribute: 'taxis', removedId: 1 }]],
  ['a link that another row holds, too', 2, []],
])('a socket that joins between two events of a change receives later events: %s', async (_, id, messages) => {
  const { hears } = await openJoining({ 'destroyed venue': recordRoom('driver', 1) })
  expect(await hears(`delete from venue where id = ${id}`)).toEqual(messages)
})

test('a socket that joins between two events of a change receives later events: populated records', async () => {
  const { hears } = await openJoining({ 'addedTo taxi': classRoom('venue') }, { populate: true })
  expect(await hears('insert into venue (id, driver, taxi) values (9, 1, 1)')).toMatchObject([
    { verb: 'created', data: { driver: { id: 1, name: 'a' }, taxi: { id: 1, name: 'a' } }, id: 9 },
  ])
})
