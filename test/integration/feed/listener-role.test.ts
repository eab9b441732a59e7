import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { parseOptions } from '../../../src/options.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openShop, petShop, summary } from './fixture.ts'

/** With an association of each kind: one-to-many, one-to-one, and many-to-many over a junction. */
const models = {
  ...petShop,
  pet: { attributes: { name: { type: 'string' }, owner: { model: 'user' }, tag: { model: 'tag' } } },
  tag: { attributes: { name: { type: 'string' }, pets: { collection: 'pet', via: 'tag' } } },
  course: { attributes: { title: { type: 'string' }, students: { collection: 'student', via: 'courses' } } },
  student: { attributes: { name: { type: 'string' }, courses: { collection: 'course', via: 'students' } } },
}

/** A shop whose feed was installed by its owner, and a role with only the privileges of a listener. */
async function openInstalledShop() {
  const shop = await openShop(undefined, { models })
  await shop.feed().install()
  const { name, connectionString } = await shop.database.role()
  for (const grant of shop.feed().grants(name)) await shop.database.query(grant)
  return { ...shop, connectionString }
}

test('a role with only the privileges of a listener publishes, including associations', async () => {
  const { database, feed: newFeed, published, connectionString } = await openInstalledShop()
  const feed = newFeed({ connectionString })
  await feed.start()
  const heard = async (sql: string) => {
    published.length = 0
    await database.query(sql)
    await feed.settled()
    return summary(published).sort()
  }
  await heard(`insert into "user" (id, name) values (1, 'ann'), (2, 'ben')`)
  expect(await heard(`insert into pet (id, name, owner) values (1, 'rex', 1)`)).toEqual(['created pet 1'])
  expect(await heard('update pet set owner = 2')).toEqual(['addedTo user 2', 'removedFrom user 1', 'updated pet 1'])
  expect(await heard('delete from "user" where id = 2')).toEqual(['destroyed user 2', 'updated pet 1'])
  await heard(`insert into course (id, title) values (1, 'x'); insert into student (id, name) values (1, 'ann')`)
  const junction = 'course_students__student_courses'
  expect(await heard(`insert into ${junction} (course_students, student_courses) values (1, 1)`)).toEqual([
    'addedTo course 1',
    'addedTo student 1',
  ])
  expect(await heard('delete from course')).toContain('destroyed course 1')
  expect(feed.status().failures).toEqual([])
})

test('doctor accepts that role, and names missing privileges if there is something to install', async () => {
  const { database, collections, connectionString } = await openInstalledShop()
  const settings = parseOptions({ connectionString, collections })
  const wanted = selectModels(readModels(settings.collections), settings.models)
  const db = openDatabase({ ...settings.connection, applicationName: 'doctor' }, settings.schema)
  afterScope(() => db.close())
  const findings = async () => {
    const { findings: found } = await examine(db, settings, wanted)
    return found.filter(({ check }) => check !== 'secrets').map(({ check, severity }) => `${severity} ${check}`)
  }
  expect(await findings()).toEqual(['warning leader'])
  await database.query('alter table pet disable trigger user')
  expect(await findings()).toEqual(expect.arrayContaining(['error rights', 'error triggers']))
})
