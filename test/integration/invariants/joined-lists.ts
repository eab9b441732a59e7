import { expect } from 'vitest'
import { parseCursor } from '../../../src/change-log/cursor.ts'
import { Snapshot } from '../../../src/change-log/snapshot.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import type { Message } from '../../helpers/inbox.ts'
import type { SailsClient } from '../../helpers/sails-client.ts'
import type { Random } from './collection-writes.ts'

const LINKS = 'course_students__student_courses'
const MODELS = ['owner', 'pet', 'student', 'course']
const OWNERS = 8
const PUPILS = 6

/** Records to begin with. A link exists once. Names are numbers that grow with each write of a record. */
export async function seedRecords(database: TestDatabase) {
  await database.query(`
    create sequence version;
    create unique index on ${LINKS} (course_students, student_courses);
    insert into owner (name) select 'owner' from generate_series(1, ${OWNERS});
    insert into student (name) select 'student' from generate_series(1, ${PUPILS});
    insert into course default values; insert into course default values; insert into course default values`)
}

/** An observer that has subscribed is notified of all members that are ever added. */
export async function seedMembers(database: TestDatabase) {
  await database.query(`
    insert into pet (name, owner) select nextval('version'), 1 + n % ${OWNERS} from generate_series(1, 40) as n;
    insert into ${LINKS} (course_students, student_courses) values (1, 1), (2, 1), (3, 2)`)
}

function statement({ below, of, chance }: Random): string {
  const owner = chance(0.2) ? 'null' : String(below(OWNERS) + 1)
  const pet = `(select id from pet order by id offset ${below(40)} limit 1)`
  const link = `course_students = ${below(3) + 1} and student_courses = ${below(PUPILS) + 1}`
  return of([
    `insert into pet (name, owner) values (nextval('version'), ${owner})`,
    `insert into pet (name, owner) values (nextval('version'), ${owner})`,
    `update pet set name = nextval('version') where id = ${pet}`,
    `update pet set owner = ${owner}, name = nextval('version') where id = ${pet}`,
    `delete from pet where id = ${pet}`,
    `insert into owner (name) values ('new')`,
    `insert into ${LINKS} (course_students, student_courses)
      values (${below(3) + 1}, ${below(PUPILS) + 1}) on conflict do nothing`,
    `delete from ${LINKS} where ${link}`,
  ])
}

/** Commits transactions, some with savepoints that are rolled back, and rolls some back, until `isOver`. */
export async function writeUntil(isOver: () => boolean, database: TestDatabase, random: Random): Promise<number> {
  const client = await database.connect()
  let commits = 0
  while (!isOver()) {
    try {
      await client.query('begin')
      for (let n = random.below(3); n >= 0; n--) {
        await client.query(statement(random))
        if (!random.chance(0.2)) continue
        await client.query('savepoint s')
        await client.query(statement(random))
        await client.query('rollback to s')
      }
      const ended = await client.query(random.chance(0.15) ? 'rollback' : 'commit')
      if (ended.command === 'COMMIT') commits++
    } catch (error) {
      if ((error as { code?: string }).code !== '40P01') throw error
      await client.query('rollback')
    }
  }
  return commits
}

/** A list that a client has read by its first request. */
export interface JoinedList {
  readonly client: SailsClient
  readonly path: string
  /** Taken before the request. */
  readonly before: string
  readonly body: Record<string, unknown>[]
}

export const PATHS = ['/pet?limit=200', '/owner?limit=200', '/student?limit=200', '/owner/1/pets?limit=200'] as const

export async function readList(client: SailsClient, path: string, database: TestDatabase): Promise<JoinedList> {
  const [row] = await database.query<{ before: string }>('select pg_current_snapshot()::text as before')
  const { body, statusCode } = await client.get(path)
  expect(statusCode).toBe(200)
  return { client, path, before: row?.before ?? '', body }
}

/**
 * No message repeats what the list contains. `observer` has been subscribed to everything from the beginning. Returns how
 * many updates were sent although the list had them.
 */
export function expectNoRepeat({ client, path, before, body }: JoinedList, observer: SailsClient): number {
  const snapshot = new Snapshot(before)
  const isKnown = ({ meta }: Message) => snapshot.includes(parseCursor(meta.cursor).xid ?? 0n)
  const about = client.messages.all.filter(({ event }) => MODELS.includes(event))
  expect(about.filter(isKnown), `${path}: committed before the request`).toEqual([])
  const listed = new Map(body.map(record => [record.id, record]))
  const [identity] = path.slice(1).split(/[?/]/)
  const isCreatedAgain = ({ event, data }: Message) =>
    data.verb === 'created' && event === identity && listed.has(data.id) && path.split('/').length === 2
  expect(about.filter(isCreatedAgain), `${path}: created again`).toEqual([])
  const isOnly = (message: Message) => observer.messages.all.filter(other => isSameMember(other, message)).length === 1
  const isAddedAgain = (message: Message) => isShown(message, path, listed) && isOnly(message)
  expect(about.filter(isAddedAgain), `${path}: added again`).toEqual([])
  return about.filter(({ event, data }) => {
    const name = event === 'pet' && data.verb === 'updated' && data.data.name
    return name && Number(name) <= Number(listed.get(data.id)?.name)
  }).length
}

type Listed = ReadonlyMap<unknown, Record<string, unknown>>

/** Whether the message says that a member was added that the list shows. */
function isShown({ event, data }: Message, path: string, listed: Listed): boolean {
  if (data.verb !== 'addedTo' || event !== path.slice(1).split(/[?/]/)[0]) return false
  if (path.startsWith('/owner/1/pets')) return data.id === 1 && listed.has(data.addedId)
  return membersOf(listed.get(data.id)?.[data.attribute]).includes(data.addedId)
}

/** Members may be removed and added again. */
const isSameMember = (one: Message, other: Message) =>
  one.event === other.event &&
  one.data.id === other.data.id &&
  one.data.attribute === other.data.attribute &&
  one.data.addedId === other.data.addedId

/** The list, after all messages, equals the tables. */
export async function expectConverged({ client, path, body }: JoinedList, database: TestDatabase): Promise<void> {
  const messages = client.messages.all
  if (path.startsWith('/pet')) {
    const rows = await database.query(`select id, name, owner from pet order by id`)
    return expect(petsOf(body, messages), path).toEqual(rows)
  }
  if (path.startsWith('/owner/1/pets')) {
    const [row] = await database.query(`select array_agg(id order by id) as ids from pet where owner = 1`)
    const members = membersAfter([{ id: 1, pets: body }], messages, 'owner', 'pets')
    return expect(members.get(1), path).toEqual(row?.ids ?? [])
  }
  const [identity, alias, sql] = path.startsWith('/owner')
    ? ['owner', 'pets', 'select p.id from pet p where p.owner = o.id']
    : ['student', 'courses', `select course_students from ${LINKS} where student_courses = o.id`]
  const rows = await database.query<{ id: number; members: number[] }>(
    `select id, array(${sql} order by 1) as members from ${identity} o order by id`,
  )
  const expected = new Map(rows.map(({ id, members }) => [id, members]))
  expect(membersAfter(body, messages, identity, alias), path).toEqual(expected)
}

function petsOf(body: JoinedList['body'], messages: readonly Message[]) {
  const pets = new Map(body.map(pet => [pet.id, shownPet(pet)]))
  for (const { event, data } of messages) {
    if (event !== 'pet') continue
    if (data.verb === 'created') pets.set(data.id, shownPet(data.data))
    const held = pets.get(data.id)
    if (data.verb === 'updated' && held) pets.set(data.id, shownPet({ ...held, ...data.data }))
    if (data.verb === 'destroyed') pets.delete(data.id)
  }
  return [...pets.values()].sort((a, b) => Number(a.id) - Number(b.id))
}

const shownPet = ({ id, name, owner }: Record<string, unknown>) => ({ id, name, owner: idIn(owner) ?? null })

function membersAfter(body: JoinedList['body'], messages: readonly Message[], identity: string, alias: string) {
  const held = new Map(body.map(record => [Number(record.id), new Set(membersOf(record[alias]))]))
  for (const { event, data } of messages) {
    if (event !== identity) continue
    if (data.verb === 'created') held.set(data.id, new Set())
    if (data.verb === 'destroyed') held.delete(data.id)
    if (data.attribute !== alias) continue
    if (data.verb === 'addedTo') held.get(data.id)?.add(data.addedId)
    if (data.verb === 'removedFrom') held.get(data.id)?.delete(data.removedId)
  }
  return new Map([...held].map(([id, members]) => [id, [...members].sort((a, b) => Number(a) - Number(b))]))
}

const membersOf = (value: unknown): unknown[] => [value ?? []].flat().map(idIn)

const idIn = (value: unknown) =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>).id : value
