import { expect, test } from 'vitest'
import { newestTick, publishedPosition } from '../../../src/change-log/position.ts'
import { createChangefeed } from '../../../src/changefeed.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { LogReplay } from '../../../src/feed/log-replay.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { type ChangefeedOptions, parseOptions } from '../../../src/options.ts'
import { pauseModels, resumeModels } from '../../../src/pipeline/pauses.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { eventOf } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { installedDatabase, openMigratedShop } from './fixture.ts'

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

const ROWS = `
  insert into student (name, secret) values ('sue', 'x'), ('tim', 'y');
  insert into course (course_title) values ('art'), ('bio'), ('che');
  insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1);
  insert into room (name) values ('red'), ('blue');
  insert into seat (student, room) values (1, 1), (1, 2)`

/** `restricted`: the listener has privileges on our schema only. */
async function openSchool(options: Partial<ChangefeedOptions> = {}, { restricted = false } = {}) {
  const database = await installedDatabase('school', school, { rows: ROWS })
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models: school })
  const events: RecordEvent[] = []
  const publisher = { publish: (event: RecordEvent) => void events.push(event) }
  const all = { connectionString, collections, publisher, ...options }
  const feed = createChangefeed({ ...all, ...(restricted && { connectionString: await listenerOf(database) }) })
  afterScope(() => feed.stop())
  await feed.start()
  return { database, collections, feed, events, options: all }
}

type School = Awaited<ReturnType<typeof openSchool>>

async function listenerOf(database: TestDatabase): Promise<string> {
  const { name, connectionString } = await database.role()
  await database.query(`
    grant usage on schema changefeed to ${name};
    grant all on all tables in schema changefeed to ${name};
    grant all on all sequences in schema changefeed to ${name};
    grant execute on all functions in schema changefeed to ${name}`)
  return connectionString
}

/** `addedTo student 1 courses 3`, for each event about members. */
const members = (events: readonly RecordEvent[]) =>
  events.flatMap(event =>
    event.verb === 'addedTo' || event.verb === 'removedFrom'
      ? [`${event.verb} ${event.identity} ${event.id} ${event.alias} ${event.childId}`]
      : [],
  )

const link = (database: TestDatabase, course: number, student: number) =>
  database.query('insert into course_students__student_courses (course_students, student_courses) values ($1, $2)', [
    course,
    student,
  ])

test('a member kept when others are replaced is not removed; it may be added again', async () => {
  const { collections, feed, events } = await openSchool()
  await collections.student.replaceCollection(1, 'courses').members([2, 3])
  await feed.settled()
  expect(members(events).sort()).toEqual([
    'addedTo course 2 students 1',
    'addedTo course 3 students 1',
    'addedTo student 1 courses 2',
    'addedTo student 1 courses 3',
    'removedFrom course 1 students 1',
    'removedFrom student 1 courses 1',
  ])
})

test('the same for a through model, whose records are created and destroyed', async () => {
  const { database, feed, events } = await openSchool()
  await database.query('delete from seat where student = 1')
  await database.query('insert into seat (student, room) values (1, 2)')
  await feed.settled()
  expect(members(events).sort()).toEqual([
    'addedTo room 2 taken 1',
    'addedTo student 1 seats 2',
    'removedFrom room 1 taken 1',
    'removedFrom student 1 seats 1',
  ])
  expect(events.filter(({ verb }) => verb === 'destroyed' || verb === 'created')).toHaveLength(3)
})

const ADDED = ['addedTo course 1 students 1', 'addedTo student 1 courses 1']
const REMOVED = ['removedFrom course 1 students 1', 'removedFrom student 1 courses 1']

/** The events about members that each of these steps brings about. */
async function membersAfter(school: School, ...steps: (string | (() => Promise<unknown>))[]): Promise<string[][]> {
  const heard: string[][] = []
  for (const step of steps) {
    school.events.length = 0
    await (typeof step === 'string' ? school.database.query(step) : step())
    await school.feed.settled()
    heard.push(members(school.events).sort())
  }
  return heard
}

const LINK = 'insert into course_students__student_courses (course_students, student_courses) values (1, 1)'
const UNLINK = 'delete from course_students__student_courses where course_students = 1'
const UNLINK_ONE = `${UNLINK} and ctid = (select max(ctid) from course_students__student_courses where course_students = 1)`

test('a kept member is removed by a later deletion, and added by a later insertion', async () => {
  const school = await openSchool()
  expect(await membersAfter(school, `begin; ${UNLINK}; ${LINK}; commit`, UNLINK, LINK)).toEqual([ADDED, REMOVED, ADDED])
})

test('every insertion of a link is published after TRUNCATE', async () => {
  const school = await openSchool()
  const truncate = 'truncate course_students__student_courses'
  expect(await membersAfter(school, LINK, UNLINK_ONE, truncate, LINK)).toEqual([ADDED, [], [], ADDED])
})

test('every insertion of a link is published after a pause', async () => {
  const school = await openSchool()
  const junction = 'course_students__student_courses'
  const db = openDatabase({ ...school.database, applicationName: 'operator' }, 'changefeed')
  afterScope(() => db.close())
  const resume = async () => {
    const gap = eventOf(school.feed, 'gap')
    await resumeModels(db, [junction])
    expect(await gap).toEqual([{ reason: 'gap', identities: ['student', 'course'] }])
  }
  const heard = await membersAfter(school, LINK, UNLINK_ONE, () => pauseModels(db, [junction]), UNLINK, resume, LINK)
  expect(heard).toEqual([ADDED, [], [], [], [], ADDED])
})

test('a link reinserted while its deletion is published is added', async () => {
  const school = await openSchool()
  await membersAfter(school, LINK)
  const inserted = new Promise(resolve => {
    school.feed.on('published', ({ event }) => {
      if (event.verb === 'removedFrom') resolve(school.database.query(LINK))
    })
  })
  await membersAfter(school, UNLINK)
  await inserted
  await school.feed.settled()
  expect(members(school.events)).toContain('removedFrom student 1 courses 1')
  expect(members(school.events).at(-1)).toMatch(/^addedTo/)
})

test('deleting one of two equal links does not remove the member', async () => {
  const { database, feed, events } = await openSchool()
  await link(database, 3, 1)
  await link(database, 3, 1)
  await feed.settled()
  events.length = 0
  await database.query(`
    delete from course_students__student_courses
    where ctid = (select max(ctid) from course_students__student_courses where course_students = 3)`)
  await feed.settled()
  expect(members(events)).toEqual([])
})

const told = (events: readonly RecordEvent[]) =>
  events.map(event => {
    const { verb, identity, ...more } = event as RecordEvent & { id?: number; changes?: object; childId?: number }
    return [verb, identity, more.id, more.childId ?? (more.changes ? JSON.stringify(more.changes) : [])]
      .flat()
      .join(' ')
  })

test('a destroyed record is removed from its members at once, even if its links are deleted later or never', async () => {
  const { database, feed, events } = await openSchool()
  await database.query('delete from student where id = 1')
  await feed.settled()
  expect(told(events)).toEqual([
    'destroyed student 1',
    'removedFrom course 1 1',
    'removedFrom course 2 1',
    'removedFrom room 1 1',
    'removedFrom room 2 1',
  ])
})

test('clearing a foreign key to a destroyed record is published, since a client may have read it', async () => {
  const shop = await openMigratedShop()
  const feed = shop.feed()
  await shop.database.query(`insert into "user" (name) values ('ann')`)
  await shop.database.query(`insert into pet (name, owner) values ('one', 1)`)
  await feed.install()
  await feed.start()
  await shop.database.query('delete from "user"')
  await feed.settled()
  await shop.database.query('update pet set owner = null')
  await feed.settled()
  expect(told(shop.published.map(({ event }) => event))).toEqual([
    'destroyed user 1',
    'updated pet 1 {"owner":null}',
    'removedFrom user 1 1',
    'updated pet 1 {"id":1,"owner":null}',
  ])
})

test('members are removed from a record recreated while its model was paused', async () => {
  const shop = await openMigratedShop()
  const db = openDatabase({ ...shop.database, applicationName: 'operator' }, 'changefeed')
  afterScope(() => db.close())
  const feed = shop.feed()
  await shop.database.query(`insert into "user" (name) values ('ann'); insert into pet (name) values ('rex')`)
  await feed.install()
  await feed.start()
  const settle = async (work: Promise<unknown>) => {
    await work
    await feed.settled()
  }
  await settle(shop.database.query('delete from "user"'))
  await settle(pauseModels(db, ['user']))
  await settle(shop.database.query(`insert into "user" (id, name) values (1, 'again')`))
  await settle(resumeModels(db, ['user']))
  await settle(shop.database.query('update pet set owner = 1'))
  await settle(shop.database.query('update pet set owner = null'))
  expect(told(shop.published.map(({ event }) => event)).slice(-2)).toEqual([
    'removedFrom user 1 1',
    'updated pet 1 {"id":1,"owner":null}',
  ])
})

test('populate includes associated records in created and previous, as clients may see them', async () => {
  const { database, feed, events } = await openSchool({ populate: true })
  await database.query(`insert into course (course_title, teacher) values ('dance', 1)`)
  await feed.settled() // it is read when it is published, and so as of then
  await database.query(`update student set name = 'susan' where id = 1`)
  await feed.settled()
  await database.query('delete from student where id = 1')
  await feed.settled()
  const sue = { id: 1, name: 'sue' }
  expect(events[0]).toMatchObject({
    verb: 'created',
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
  expect(events.filter(({ verb }) => verb === 'updated')[0]).toMatchObject({ previous: { ...sue, courses, seats } })
  expect(events.find(({ verb }) => verb === 'destroyed')).toMatchObject({
    previous: { id: 1, name: 'susan', courses, seats },
  })
  expect(JSON.stringify(events)).not.toContain('secret')
})

test('members in a populated created message are still announced by their links', async () => {
  const { database, feed, events } = await openSchool({ populate: true })
  await database.query(`
    insert into course (id, course_title) values (9, 'dance');
    insert into course_students__student_courses (course_students, student_courses) values (9, 1), (9, 2)`)
  await feed.settled()
  expect(events[0]).toMatchObject({ verb: 'created', record: { students: [{ id: 1 }, { id: 2 }] } })
  expect(members(events).sort()).toEqual([
    'addedTo course 9 students 1',
    'addedTo course 9 students 2',
    'addedTo student 1 courses 9',
    'addedTo student 2 courses 9',
  ])
})

test('of a new record, only collections without members are read again', async () => {
  const { database, collections, feed, events } = await openSchool({ populate: true })
  const reads: string[] = []
  const { findOne, find } = collections.student
  collections.student.findOne = (...args: unknown[]) => {
    reads.push('the teacher')
    return findOne.apply(collections.student, args)
  }
  collections.student.find = (...args: unknown[]) => {
    reads.push('the students')
    return find.apply(collections.student, args)
  }
  await database.query(`insert into course (course_title, teacher) values ('dance', 1)`)
  await feed.settled()
  expect(events).toMatchObject([{ verb: 'created', record: { teacher: { id: 1 }, students: [] } }])
  expect(reads.filter(read => read === 'the teacher')).toHaveLength(1)
  expect(reads.filter(read => read === 'the students').length).toBeLessThanOrEqual(2)
})

test('a record that cannot be populated is published without associated records', async () => {
  const { database, collections, feed, events } = await openSchool({ populate: true })
  collections.student.findOne = () => Promise.reject(new Error('no'))
  await database.query(`insert into course (course_title, teacher) values ('dance', 1)`)
  await feed.settled()
  expect(events).toMatchObject([{ verb: 'created', record: { id: 4, title: 'dance', teacher: 1 } }])
})

test('compatibility formats updated.data as blueprints do', async () => {
  const { database, feed, events } = await openSchool({ compatibility: true })
  await database.query(`update course set course_title = 'arts', tags = '[1,{"a":2}]' where id = 1`)
  await feed.settled()
  expect(events).toMatchObject([
    { verb: 'updated', changes: { id: 1, course_title: 'arts', tags: '[1,{"a":2}]' }, previous: { title: 'art' } },
  ])
})

test('removedFrom is published if the listener may not read the links', async () => {
  const { database, events, feed } = await openSchool({}, { restricted: true })
  await database.query('delete from course_students__student_courses where course_students = 1')
  await database.query('delete from seat where room = 1')
  await feed.settled()
  expect(told(events).sort()).toEqual([
    'destroyed seat 1',
    'removedFrom course 1 1',
    'removedFrom room 1 1',
    'removedFrom student 1 1',
    'removedFrom student 1 1',
  ])
})

test('the members of a recreated record are announced, even if its links existed before', async () => {
  const { database, feed, events } = await openSchool()
  await database.query(`
    begin;
    delete from course_students__student_courses;
    delete from student where id = 1;
    insert into student (id, name) values (1, 'sue');
    insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1);
    commit`)
  await feed.settled()
  expect(told(events)).toEqual([
    'destroyed student 1',
    'created student 1',
    'addedTo student 1 1',
    'addedTo course 1 1',
    'addedTo student 1 2',
    'addedTo course 2 1',
  ])
})

test('members inserted before their record in a transaction are announced after its creation', async () => {
  const { database, feed, events } = await openSchool()
  await database.query(`
    begin;
    insert into course_students__student_courses (course_students, student_courses) values (1, 9), (2, 9), (3, 9);
    delete from course_students__student_courses where course_students = 3;
    insert into seat (student, room) values (9, 1);
    insert into student (id, name) values (9, 'ann');
    commit`)
  await feed.settled()
  const created = events.findIndex(({ verb, identity }) => verb === 'created' && identity === 'student')
  expect(told(events.slice(created))).toEqual([
    'created student 9',
    'addedTo student 9 1',
    'addedTo student 9 2',
    'addedTo student 9 1',
  ])
})

test('a tick that is read again yields the same events', async () => {
  const { database, feed, events, options } = await openSchool()
  const db = openDatabase({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const from = await publishedPosition(db)
  if (!from) throw new Error('The feed has published nothing')
  events.length = 0
  // The member is added after its record: it must not be taken for an early one in the second pass.
  await database.query(`
    begin;
    insert into student (id, name) values (9, 'ann');
    insert into course_students__student_courses (course_students, student_courses) values (1, 9);
    commit`)
  await feed.settled()
  const live = events.splice(0)
  const settings = parseOptions(options)
  const models = selectModels(readModels(settings.collections), settings.models)
  const publisher = { publish: (event: RecordEvent) => void events.push(event) }
  const replay = await LogReplay.open({ db, settings, models, publisher }, 'test')
  afterScope(() => replay.close())
  const until = (await newestTick(db))?.id ?? 0n
  for (const _ of [1, 2]) {
    await replay.publish({ from, until, wants: () => true, signal: new AbortController().signal })
    expect(told(events.splice(0))).toEqual(told(live))
  }
  expect(told(live)).toEqual(['created student 9', 'addedTo student 9 1', 'addedTo course 1 9'])
})

test('clients refetch once if there are too many early members to remember', async () => {
  const { database, feed, events } = await openSchool()
  await database.query(`
    begin;
    insert into course_students__student_courses (course_students, student_courses)
      select 1, i from generate_series(10, 6000) as i;
    insert into student (id, name) select i, 'ann' from generate_series(10, 6000) as i;
    commit`)
  await feed.settled()
  expect(events.filter(({ verb }) => verb === 'refetch')).toEqual([
    { verb: 'refetch', identity: 'student', reason: 'bulk' },
    { verb: 'refetch', identity: 'course', reason: 'bulk' },
    { verb: 'refetch', identity: 'room', reason: 'bulk' },
  ])
})
