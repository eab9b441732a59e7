import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RecentSubscriptions } from '../../../src/publish/socketio/recent-subscriptions.ts'
import { eventually } from '../../helpers/eventually.ts'
import type { SailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { randomOf } from '../invariants/collection-writes.ts'
import {
  expectConverged,
  expectNoRepeat,
  type JoinedList,
  PATHS,
  readList,
  seedMembers,
  seedRecords,
  writeUntil,
} from '../invariants/joined-lists.ts'
import { liftApp, type TestApp } from './fixture.ts'
import { seed } from './scenario.ts'

const READERS = 24
const WRITERS = 3

test.each(['keep', 'replace'] as const)(
  'concurrent writers, and a feed that is 5 s late: no client receives what its list contains, none misses a change (%s)',
  { timeout: 60_000 },
  async blueprints => {
    const { app, database, settled, connect } = await liftApp({ changefeed: { blueprints } })
    for (const table of ['owner', 'pet', 'student', 'course']) {
      await database.query(`alter table ${table} alter "createdAt" set default 1, alter "updatedAt" set default 1`)
    }
    await database.query(`alter table course alter title set default 'art'`)
    await seedRecords(database)
    await settled()
    const observer = await connect()
    for (const path of PATHS) await observer.get(path)
    await seedMembers(database)
    const endLag = app.hooks.changefeed.onChange(async ({ meta }: { meta: { at: number } }) => {
      await sleep(Math.max(0, meta.at + 5_000 - Date.now())) // the artificial lag
    })
    const random = randomOf(blueprints.length)
    const clients = await Promise.all(Array.from({ length: READERS }, connect))
    let isOver = false
    const writers = Array.from({ length: WRITERS }, (_, n) => writeUntil(() => isOver, database, randomOf(n + 1)))
    const lists: JoinedList[] = []
    for (const client of clients) lists.push(await readList(client, random.of(PATHS), database))
    isOver = true
    const commits = (await Promise.all(writers)).reduce((sum, each) => sum + each, 0)
    expect(commits).toBeGreaterThan(READERS)
    await settled(observer, ...clients)
    const repeated = lists.map(list => expectNoRepeat(list, observer))
    // Committed between the beginning of a request and its read.
    expect(repeated.reduce((sum, each) => sum + each, 0)).toBeLessThan(READERS)
    for (const list of lists) await expectConverged(list, database)
    endLag()
    await eventually(async () => {
      await database.query(`insert into owner (name) values ('last')`)
      await settled()
      expect(RecentSubscriptions.of(app.io).size).toBe(0)
    })
  },
)

/** An app whose feed publishes nothing until `publish` is called. */
async function lateApp() {
  const app = await liftApp()
  await seed(app.database)
  await app.settled()
  let publish = () => {}
  const isLate = new Promise<void>(resolve => {
    publish = resolve
  })
  app.app.hooks.changefeed.onChange(() => isLate)
  afterScope(publish)
  return { ...app, publish }
}

const namesOf = (client: SailsClient) => client.messages.of('pet').map(({ data }) => data.data.name)

const rename = ({ database }: Pick<TestApp, 'database'>, name: string) =>
  database.query('update pet set name = $1 where id = 1', [name])

test('an action of the app that has read and subscribed before is not sent what its result contains', async () => {
  const app = await lateApp()
  await rename(app, 'rex the first')
  const [first, second] = [await app.connect(), await app.connect()]
  for (const client of [first, second]) expect((await client.get('/pet/watch')).body).toHaveLength(3)
  await rename(app, 'rex the second')
  app.publish()
  await app.settled(first, second)
  expect([first, second].map(namesOf)).toEqual([['rex the first', 'rex the second'], ['rex the second']])
})

test('a request that changes a record and subscribes to it is not sent an older change', async () => {
  const app = await lateApp()
  await rename(app, 'older')
  const [actor, other] = [await app.connect(), await app.connect()]
  const { body } = await actor.patch('/pet/1', { name: 'newer' })
  expect(body.name).toBe('newer')
  expect((await other.get('/pet/1')).body.name).toBe('newer')
  await rename(app, 'newest')
  app.publish()
  await app.settled(actor, other)
  // Sent again, because it was sent before the older one.
  expect(namesOf(actor)).toEqual(['newer', 'newest'])
  expect(namesOf(other)).toEqual(['newest'])
})

test('after a message of the app about a record, its subscribers receive all that the feed publishes about it', async () => {
  const app = await lateApp()
  await rename(app, 'newer')
  const client = await app.connect()
  expect((await client.get('/pet/1')).body.name).toBe('newer')
  app.app.models.pet.publish([1], { verb: 'updated', id: 1, data: { name: 'older' } })
  app.publish()
  await app.settled(client)
  expect(namesOf(client)).toEqual(['older', 'newer'])
})

test('a request that reads before another one of its socket subscribes is sent what it lacks', async () => {
  const app = await lateApp()
  const [client, other] = [await app.connect(), await app.connect()]
  await other.get('/pet/watch') // so that the action is known to subscribe
  const test = await app.database.connect()
  await test.query('select pg_advisory_lock(1)')
  const list = client.get('/pet/watch?late=1')
  const waiting = `select from pg_locks where locktype = 'advisory' and objid = 1 and not granted`
  await eventually(async () => expect(await app.database.query(waiting)).toHaveLength(1))
  await rename(app, 'max')
  expect((await client.get('/pet/1')).body.name).toBe('max')
  await test.query('select pg_advisory_unlock(1)')
  expect((await list).body.find(({ id }: { id: number }) => id === 1).name).toBe('rex')
  app.publish()
  await app.settled(client)
  expect(namesOf(client)).toEqual(['max'])
})
