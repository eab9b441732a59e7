import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import type { Model, RecordId } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { readExistingLinks } from '../../../src/pipeline/rules/existing-links.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openMigratedShop, summary } from './fixture.ts'

const models = {
  student: {
    attributes: {
      courses: { collection: 'course', via: 'students' },
      seats: { collection: 'room', via: 'student', through: 'seat' },
    },
  },
  course: { attributes: { students: { collection: 'student', via: 'courses' } } },
  room: { attributes: { taken: { collection: 'student', via: 'room', through: 'seat' } } },
  seat: { attributes: { student: { model: 'student' }, room: { model: 'room' } } },
}

const LINKS = 'course_students__student_courses'
const LOCK = 'lock table'

/** 300 students in course 1, and in a seat each of room 1, and a count of transactions that read tables of the app. */
async function openSchool() {
  const shop = await openMigratedShop({ models })
  const proxy = await startProxy(shop.database.connectionString)
  const feed = shop.feed({ connectionString: proxy.through(shop.database.connectionString) })
  await feed.install()
  await shop.database.query(`
    insert into student (id) select n from generate_series(1, 300) as n;
    insert into course (id) values (1), (2);
    insert into room (id) values (1), (2);
    insert into ${LINKS} (course_students, student_courses) select 1, n from generate_series(1, 300) as n;
    insert into seat (id, student, room) select n, n, 1 from generate_series(1, 300) as n`)
  await feed.start()
  await feed.settled()
  const publishedOf = async (...writes: string[]) => {
    shop.published.length = 0
    const before = proxy.sent(LOCK)
    await shop.database.query(writes.join(';'))
    await feed.settled()
    return { events: summary(shop.published), reads: proxy.sent(LOCK) - before }
  }
  return { ...shop, feed, publishedOf }
}

const oneTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1)

/** One transaction if the deletion is older than the window, otherwise one more. */
const FEW = 2

test('deleted links of a junction table are looked up together', async () => {
  const { publishedOf } = await openSchool()
  const { events, reads } = await publishedOf(`delete from ${LINKS}`)
  expect(events).toEqual(oneTo(300).flatMap(n => [`removedFrom student ${n}`, 'removedFrom course 1']))
  expect(reads).toBeGreaterThan(0)
  expect(reads).toBeLessThanOrEqual(FEW)
})

test('deleted and changed links of a through model are looked up together', async () => {
  const { publishedOf } = await openSchool()
  const moved = await publishedOf('update seat set room = 2 where id <= 100')
  expect(moved.events.filter(event => event === 'removedFrom room 1')).toHaveLength(100)
  expect(moved.events.filter(event => event === 'addedTo room 2')).toHaveLength(100)
  expect(moved.reads).toBeLessThanOrEqual(FEW)
  const renumbered = await publishedOf('update seat set id = id + 1000 where id <= 100')
  expect(renumbered.events).toContain('destroyed seat 100')
  expect(renumbered.reads).toBeLessThanOrEqual(FEW)
  const deleted = await publishedOf('delete from seat')
  expect(deleted.events.filter(event => event.startsWith('removedFrom room'))).toHaveLength(300)
  expect(deleted.events.filter(event => event.startsWith('removedFrom student'))).toHaveLength(300)
  expect(deleted.reads).toBeLessThanOrEqual(FEW)
})

test('links deleted together are kept if they exist again, or exist twice', async () => {
  const { publishedOf, database, feed } = await openSchool()
  await database.query(`insert into ${LINKS} (course_students, student_courses) values (1, 7)`)
  await feed.settled()
  const { events } = await publishedOf(
    'begin',
    `delete from ${LINKS} where ctid in (select min(ctid) from ${LINKS} where student_courses between 5 and 9 group by student_courses)`,
    `insert into ${LINKS} (course_students, student_courses) values (1, 8)`,
    'commit',
  )
  expect(events).toEqual([
    ...[5, 6, 9].flatMap(n => [`removedFrom student ${n}`, 'removedFrom course 1']),
    ...['addedTo student 8', 'addedTo course 1'],
  ])
})

test('a link that a page deletes, inserts and deletes again is removed once per deletion', async () => {
  const { publishedOf } = await openSchool()
  const unlink = `delete from ${LINKS} where student_courses = 4`
  const { events, reads } = await publishedOf(
    unlink,
    `insert into ${LINKS} (course_students, student_courses) values (1, 4)`,
    unlink,
  )
  const [removed, added] = [
    ['removedFrom student 4', 'removedFrom course 1'],
    ['addedTo student 4', 'addedTo course 1'],
  ] as const
  expect(events).toEqual([...removed, ...added, ...removed])
  expect(reads).toBeLessThanOrEqual(FEW)
})

interface Reader {
  readonly database: TestDatabase
  /** Positions of the pairs that exist. */
  read(...pairs: readonly (readonly [RecordId, RecordId])[]): Promise<number[]>
}

/** Seats whose two references have this type. */
async function openReader(type: string, ...before: string[]): Promise<Reader> {
  const { database, collections } = await openMigratedShop({ models })
  for (const statement of before) await database.query(statement)
  for (const column of ['student', 'room']) {
    await database.query(`alter table seat alter ${column} type ${type} using ${column}::text::${type}`)
  }
  const db = openDatabase({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const links = readModels(collections).get('seat') as Model
  const read: Reader['read'] = async (...given) => {
    const pairs = given.map(([a, b]) => ({ a, b }))
    const { existing } = await readExistingLinks(db, { links, attributes: ['room', 'student'], pairs })
    return pairs.flatMap((pair, place) => (existing.has(pair) ? [place] : []))
  }
  return { database, read }
}

const UUID = '6f2c1a1e-8a3f-4d6e-9a63-1d6f0f0f0f0'

test.each([
  ['integer', [], 1, 2],
  ['bigint', [], '9007199254740993', '9007199254740992'],
  ['smallint', [], 1, 2],
  ['real', [], 0.1, 0.5],
  ['numeric(10, 1)', [], 1, 2],
  ['text', [], 'a"b\\,{}', ''],
  ['varchar(20)', [], 'NULL', ' '],
  ['char(4)', [], 'ab', 'cdef'],
  ['uuid', [], `${UUID}1`, `${UUID}2`],
  ['date', [], '2024-02-29', '2023-01-01'],
  ['color', [`create type color as enum ('red', 'blue')`], 'red', 'blue'],
  ['key', ['create domain base as integer', 'create domain key as base check (value > 0)'], 1, 2],
] as const)('finds links by pairs of %s', async (type, before, one, other) => {
  const { database, read } = await openReader(type, ...before)
  const pairs = [
    [one, one],
    [one, other],
    [other, one],
    [other, other],
  ] as const
  await database.query(`insert into seat (room, student) values ('${one}', '${other}'), ('${other}', '${one}')`)
  expect(await read(...pairs)).toEqual([1, 2])
  await database.query('delete from seat')
  expect(await read(...pairs)).toEqual([])
})

test('a key that the column cannot hold does not affect other results', async () => {
  const { database, read } = await openReader('smallint')
  await database.query('insert into seat (room, student) values (1, 2), (3, 4)')
  expect(await read([1, 2], [70_000, 2], ['x', 4], [3, 4], [1, 4])).toEqual([0, 3])
})

test('looking up links runs no domain checks', async () => {
  const { database, read } = await openReader(
    'key',
    'create sequence events',
    `create function trap(integer) returns boolean language plpgsql as $$ begin return nextval('public.events') > 0; end $$`,
    'create domain key as integer check (trap(value))',
  )
  await database.query('insert into seat (room, student) values (1, 2)')
  await database.query('alter sequence events restart')
  expect(await read([1, 2], [2, 1])).toEqual([0])
  expect(await database.query('select is_called from events')).toEqual([{ is_called: false }])
})
