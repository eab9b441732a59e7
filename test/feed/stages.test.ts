import { expect, test } from 'vitest'
import { createChangefeed } from '../../src/changefeed.ts'
import type { ChangefeedOptions } from '../../src/options.ts'
import type { PublishCall } from '../../src/publish/call.ts'
import { type TestDatabase, testDatabase } from '../helpers/database.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { openShop } from './fixture.ts'

const school = {
  student: {
    attributes: {
      name: { type: 'string' },
      secret: { type: 'string' },
      courses: { collection: 'course', via: 'students' },
      seats: { collection: 'room', via: 'student', through: 'seat' },
    },
    customToJSON(this: { secret?: string }) {
      const { secret: _, ...shown } = this
      return shown
    },
  },
  course: {
    attributes: {
      title: { type: 'string', columnName: 'course_title' },
      tags: { type: 'json' },
      teacher: { model: 'student' },
      students: { collection: 'student', via: 'courses' },
    },
  },
  room: { attributes: { name: { type: 'string' }, taken: { collection: 'student', via: 'room', through: 'seat' } } },
  seat: { attributes: { student: { model: 'student' }, room: { model: 'room' } } },
}

/** `restricted`: the listener has rights on our schema only. */
async function openSchool(options: Partial<ChangefeedOptions> = {}, { restricted = false } = {}) {
  const database = await testDatabase()
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models: school, migrate: 'drop' })
  const calls: PublishCall[] = []
  const publisher = { publish: (call: PublishCall) => void calls.push(call) }
  const feedAs = (url: string) => createChangefeed({ connectionString: url, collections, publisher, ...options })
  await database.query(`
    insert into student (name, secret) values ('sue', 'x'), ('tim', 'y');
    insert into course (course_title) values ('art'), ('bio'), ('che');
    insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1);
    insert into room (name) values ('red'), ('blue');
    insert into seat (student, room) values (1, 1), (1, 2)`)
  await feedAs(connectionString).install()
  const feed = feedAs(restricted ? await listenerOf(database) : connectionString)
  afterScope(() => feed.stop())
  await feed.start()
  return { database, collections, feed, calls }
}

async function listenerOf(database: TestDatabase): Promise<string> {
  const { name, connectionString } = await database.role()
  await database.query(`
    grant usage on schema changefeed to ${name};
    grant all on all tables in schema changefeed to ${name};
    grant all on all sequences in schema changefeed to ${name};
    grant execute on all functions in schema changefeed to ${name}`)
  return connectionString
}

/** `publishAdd student 1 courses 3`, for each call about members. */
const members = (calls: readonly PublishCall[]) =>
  calls.flatMap(call =>
    call.fn === 'publishAdd' || call.fn === 'publishRemove'
      ? [`${call.fn} ${call.identity} ${call.id} ${call.alias} ${call.childId}`]
      : [],
  )

const link = (database: TestDatabase, course: number, student: number) =>
  database.query('insert into course_students__student_courses (course_students, student_courses) values ($1, $2)', [
    course,
    student,
  ])

test('a member that is kept when others are replaced neither leaves nor comes back', async () => {
  const { collections, feed, calls } = await openSchool()
  await collections.student.replaceCollection(1, 'courses').members([2, 3])
  await feed.settled()
  expect(members(calls).sort()).toEqual([
    'publishAdd course 3 students 1',
    'publishAdd student 1 courses 3',
    'publishRemove course 1 students 1',
    'publishRemove student 1 courses 1',
  ])
})

test('the same for the links of an explicit model, whose own records come and go', async () => {
  const { database, feed, calls } = await openSchool()
  await database.query('delete from seat where student = 1')
  await database.query('insert into seat (student, room) values (1, 2)')
  await feed.settled()
  expect(members(calls).sort()).toEqual(['publishRemove room 1 taken 1', 'publishRemove student 1 seats 1'])
  expect(calls.filter(({ fn }) => fn === 'publishDestroy' || fn === 'publishCreate')).toHaveLength(3)
})

test('a member that leaves is told of, and again after it has been kept', async () => {
  const { database, feed, calls } = await openSchool()
  const remove = () => database.query('delete from course_students__student_courses where course_students = 1')
  await database.query('begin')
  await remove()
  await link(database, 1, 1)
  await database.query('commit')
  await feed.settled()
  expect(members(calls)).toEqual([])
  await remove()
  await feed.settled()
  await link(database, 1, 1)
  await feed.settled()
  expect(members(calls).sort()).toEqual([
    'publishAdd course 1 students 1',
    'publishAdd student 1 courses 1',
    'publishRemove course 1 students 1',
    'publishRemove student 1 courses 1',
  ])
})

test('one of two equal links is not missed', async () => {
  const { database, feed, calls } = await openSchool()
  await link(database, 3, 1)
  await link(database, 3, 1)
  await feed.settled()
  calls.length = 0
  await database.query(`
    delete from course_students__student_courses
    where ctid = (select max(ctid) from course_students__student_courses where course_students = 3)`)
  await feed.settled()
  expect(members(calls)).toEqual([])
})

const told = (calls: readonly PublishCall[]) =>
  calls.map(call => {
    const { fn, identity, ...more } = call as PublishCall & { id?: number; changes?: object; childId?: number }
    return [fn, identity, more.id, more.childId ?? (more.changes ? JSON.stringify(more.changes) : [])].flat().join(' ')
  })

test('who was told that a destroyed record has left them is not told again when its links are cleared', async () => {
  const { database, feed, calls } = await openSchool()
  await database.query('update course set teacher = 1')
  await feed.settled()
  calls.length = 0
  await database.query('delete from student where id = 1')
  await feed.settled()
  const left = [
    'publishDestroy student 1',
    'publishRemove course 1 1',
    'publishRemove course 2 1',
    'publishRemove room 1 1',
    'publishRemove room 2 1',
  ]
  expect(told(calls)).toEqual(left)
  await database.query('delete from course_students__student_courses where student_courses = 1')
  await database.query('delete from seat')
  await feed.settled()
  expect(told(calls)).toEqual([...left, 'publishDestroy seat 1', 'publishDestroy seat 2'])
})

test('the same for foreign keys that are emptied, unless more is done, or the destroyed record is there again', async () => {
  const { database, feed: newFeed, published } = await openShop()
  const feed = newFeed()
  await database.query(`insert into "user" (name) values ('ann')`)
  await database.query(`insert into pet (name, owner) values ('one', 1), ('two', 1), ('three', 1)`)
  await feed.install()
  await feed.start()
  const toldOf = async (sql: string) => {
    published.length = 0
    await database.query(sql)
    await feed.settled()
    return told(published.map(({ call }) => call))
  }
  expect(await toldOf('delete from "user"')).toEqual([
    'publishDestroy user 1',
    'publishUpdate pet 1 {"owner":null}',
    'publishUpdate pet 2 {"owner":null}',
    'publishUpdate pet 3 {"owner":null}',
  ])
  expect(await toldOf('update pet set owner = null where id = 1')).toEqual([])
  expect(await toldOf(`update pet set owner = null, name = 'second' where id = 2`)).toEqual([
    'publishUpdate pet 2 {"id":2,"name":"second","owner":null}',
  ])
  expect(await toldOf(`insert into "user" (id, name) values (1, 'ann')`)).toEqual(['publishCreate user 1'])
  expect(await toldOf('update pet set owner = null where id = 3')).toEqual([
    'publishRemove user 1 3',
    'publishUpdate pet 3 {"id":3,"owner":null}',
  ])
})

test('a foreign key that is emptied is told of where clients would miss something else, or have heard of it since', async () => {
  const { database, collections, feed: newFeed, published } = await openShop()
  collections.pet.customToJSON = function toJson(this: { name: string; owner: unknown }) {
    return this.name === 'two' ? { ...this, free: this.owner === null } : { ...this }
  }
  const feed = newFeed()
  await database.query(`insert into "user" (name) values ('ann'), ('bob')`)
  await database.query(`insert into pet (name, owner) values ('one', 1), ('two', 1)`)
  await feed.install()
  await feed.start()
  await database.query('delete from "user" where id = 1')
  await feed.settled()
  await database.query('update pet set owner = null where id = 2')
  await feed.settled()
  expect(told(published.map(({ call }) => call)).at(-1)).toBe('publishUpdate pet 2 {"id":2,"owner":null,"free":true}')
  for (const owner of [2, 1, null]) await database.query('update pet set owner = $1 where id = 1', [owner])
  await feed.settled()
  expect(told(published.map(({ call }) => call)).at(-1)).toBe('publishUpdate pet 1 {"id":1,"owner":null}')
})

test('populate puts what is associated into created and previous, as clients may see it', async () => {
  const { database, feed, calls } = await openSchool({ populate: true })
  await database.query(`insert into course (course_title, teacher) values ('dance', 1)`)
  await feed.settled() // it is read when it is published, and so as of then
  await database.query(`update student set name = 'susan' where id = 1`)
  await feed.settled()
  await database.query('delete from student where id = 1')
  await feed.settled()
  const sue = { id: 1, name: 'sue' }
  expect(calls[0]).toMatchObject({
    fn: 'publishCreate',
    record: { id: 4, title: 'dance', teacher: { id: 1 }, students: [] },
  })
  const courses = [
    { id: 1, title: 'art' },
    { id: 2, title: 'bio' },
  ]
  const seats = [
    { id: 1, name: 'red' },
    { id: 2, name: 'blue' },
  ]
  expect(calls.filter(({ fn }) => fn === 'publishUpdate')[0]).toMatchObject({ previous: { ...sue, courses, seats } })
  expect(calls.find(({ fn }) => fn === 'publishDestroy')).toMatchObject({
    previous: { id: 1, name: 'susan', courses, seats },
  })
  expect(JSON.stringify(calls)).not.toContain('secret')
})

test('members that a populated created shows are not announced again; those that leave and come back are', async () => {
  const { database, feed, calls } = await openSchool({ populate: true })
  await database.query(`
    insert into course (id, course_title) values (9, 'dance');
    insert into course_students__student_courses (course_students, student_courses) values (9, 1), (9, 2)`)
  await feed.settled()
  expect(calls[0]).toMatchObject({ fn: 'publishCreate', record: { students: [{ id: 1 }, { id: 2 }] } })
  expect(members(calls)).toEqual(['publishAdd student 1 courses 9', 'publishAdd student 2 courses 9'])
  await database.query('delete from course_students__student_courses where course_students = 9 and student_courses = 1')
  await feed.settled()
  await link(database, 9, 1)
  await feed.settled()
  expect(members(calls)).toContain('publishAdd course 9 students 1')
})

test('what cannot be populated is published as it is', async () => {
  const { database, collections, feed, calls } = await openSchool({ populate: true })
  collections.student.findOne = () => Promise.reject(new Error('no'))
  await database.query(`insert into course (course_title, teacher) values ('dance', 1)`)
  await feed.settled()
  expect(calls).toMatchObject([{ fn: 'publishCreate', record: { id: 4, title: 'dance', teacher: 1 } }])
})

test('compatibility gives updated.data as blueprints send it', async () => {
  const { database, feed, calls } = await openSchool({ compatibility: true })
  await database.query(`update course set course_title = 'arts', tags = '[1,{"a":2}]' where id = 1`)
  await feed.settled()
  expect(calls).toMatchObject([
    { fn: 'publishUpdate', changes: { id: 1, course_title: 'arts', tags: '[1,{"a":2}]' }, previous: { title: 'art' } },
  ])
})

test('a member that leaves is told of where the listener may not read the links', async () => {
  const { database, calls, feed } = await openSchool({}, { restricted: true })
  await database.query('delete from course_students__student_courses where course_students = 1')
  await database.query('delete from seat where room = 1')
  await feed.settled()
  expect(told(calls).sort()).toEqual([
    'publishDestroy seat 1',
    'publishRemove course 1 1',
    'publishRemove room 1 1',
    'publishRemove student 1 1',
    'publishRemove student 1 1',
  ])
})

test('a record that is made anew has its members told, though its links were there before', async () => {
  const { database, feed, calls } = await openSchool()
  await database.query(`
    begin;
    delete from course_students__student_courses;
    delete from student where id = 1;
    insert into student (id, name) values (1, 'sue');
    insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1);
    commit`)
  await feed.settled()
  expect(told(calls)).toEqual([
    'publishDestroy student 1',
    'publishCreate student 1',
    'publishAdd student 1 1',
    'publishAdd course 1 1',
    'publishAdd student 1 2',
    'publishAdd course 2 1',
  ])
})
