import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { pauseModels, resumeModels } from '../../../src/pipeline/pauses.ts'
import { eventOf } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openShop, summary } from '../feed/fixture.ts'

const parsers = [16, 20, 21, 23, 26, 700, 701, 1184, 1700].map(oid => [oid, pg.types.getTypeParser(oid)] as const)
afterEach(() => {
  for (const [oid, parser] of parsers) pg.types.setTypeParser(oid, parser as (text: string) => unknown)
})

const every = parsers.map(([oid]) => oid)
const noKeys = every.filter(oid => ![20, 21, 23].includes(oid))

test.each([
  ['texts', every, (text: string) => text],
  ['objects', noKeys, (text: string) => ({ text })],
] as const)(
  'works in an app that makes node-postgres return numbers, booleans and times as %s',
  async (_name, oids, parse) => {
    const { database, feed: newFeed, published } = await openShop()
    for (const oid of oids) pg.types.setTypeParser(oid, parse)
    const [feed, other] = [newFeed({ publish: 'leader' }), newFeed({ publish: 'leader' })]
    await feed.install()
    await feed.start()
    await other.start()
    expect([feed.status().role, other.status().role]).toEqual(['leader', 'standby'])
    await database.query(`insert into pet (id, name) values (1, 'rex')`)
    await feed.settled()
    const db = openDatabase({ connectionString: database.connectionString, applicationName: 'operator' }, 'changefeed')
    afterScope(() => db.close())
    const gap = eventOf(feed, 'gap')
    await pauseModels(db, ['pet'])
    await feed.settled()
    await resumeModels(db, [])
    await gap
    await feed.settled()
    expect(summary(published)).toEqual(['created pet 1', 'refetch pet', 'refetch user'])
    expect(await feed.lag()).toEqual({ changes: 0, orMore: false, seconds: 0 })
  },
)

test('works with database defaults that would block the feed or the writes of the app', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  const defaults = {
    default_transaction_isolation: 'serializable',
    default_transaction_read_only: 'on',
    default_transaction_deferrable: 'on',
    TimeZone: 'Asia/Kolkata',
    DateStyle: 'German',
    lock_timeout: '1ms',
    row_security: 'off',
    standard_conforming_strings: 'off',
    search_path: 'nowhere',
  }
  for (const [name, value] of Object.entries(defaults)) {
    await database.query(`alter database ${database.name} set ${name} = '${value}'`)
  }
  await feed.start()
  const writer = await database.connect()
  await writer.query(`set default_transaction_read_only = off; set search_path = public`)
  await writer.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  expect(summary(published)).toEqual(['created pet 1'])
  expect(feed.status().state).toBe('running')
})

test('the feed does not cause serialization failures in transactions of the app', async () => {
  const { database, feed: newFeed } = await openShop()
  await database.query(`alter database ${database.name} set default_transaction_isolation = 'serializable'`)
  const feed = newFeed()
  await feed.install()
  await database.query(`insert into pet (id, name) values (1, 'one'), (2, 'two')`)
  await feed.start()
  await feed.settled()
  const [one, two] = [await database.connect(), await database.connect()]
  for (let round = 0; round < 20; round++) {
    // One reads what the other writes, which is serializable. The feed as a third reader would form a cycle.
    await one.query('begin')
    await one.query('select * from "user"')
    await one.query(`update pet set name = 'round ${round}' where id = 1`)
    await two.query(`insert into "user" (name) values ('two')`)
    await feed.settled()
    await one.query('commit')
  }
  await feed.settled()
})
