import { expect, test } from 'vitest'
import { newestTick } from '../../../src/change-log/position.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openMigratedShop, type Shop, summary } from '../feed/fixture.ts'

const FORMER = Array.from({ length: 12 }, (_, index) => index + 4)
const SLOTS = ['0', '1', '2', '3', 'default']

async function partitions({ database }: Shop, table: string): Promise<string[]> {
  const rows = await database.query<{ slot: string }>(
    `select substr(c.relname, length($1) + 2) as slot from pg_inherits join pg_class c on c.oid = inhrelid
     where inhparent = ('changefeed.' || $1)::regclass order by length(c.relname), c.relname`,
    [table],
  )
  return rows.map(({ slot }) => slot)
}

/** The ring of slots before migration 0010, with every write in the slot 9. */
async function restoreFormerSlots({ database }: Shop) {
  for (const table of ['change', 'tick']) {
    for (const slot of FORMER) {
      await database.query(
        `create table changefeed.${table}_${slot} partition of changefeed.${table} for values in (${slot})`,
      )
      if (table === 'change') await database.query(`alter table changefeed.change_${slot} replica identity full`)
      else await database.query(`alter table changefeed.tick_${slot} add primary key (id)`)
    }
  }
  await database.query(`
    create or replace function changefeed.slot_of(at timestamptz) returns smallint language sql stable as 'select 9::smallint';
    update changefeed.state set slot_seconds = 70`)
}

test('a new installation has five partitions, and the ticks that it needs', async () => {
  const shop = await openInstalledShop()
  expect(await partitions(shop, 'change')).toEqual(SLOTS)
  expect(await partitions(shop, 'tick')).toEqual(SLOTS)
  const db = openDatabase({ connectionString: shop.database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  expect(await newestTick(db)).toEqual({ id: 0n, snapshot: '2:2:' })
})

test('a live installation with sixteen slots loses no change, and drops the others once they are freed', async () => {
  const shop = await openMigratedShop()
  const { database, published } = shop
  const former = shop.feed()
  await former.install()
  await database.query('create publication everything for all tables')
  await restoreFormerSlots(shop)
  await former.start()
  await database.query(`insert into pet (id, name) values (1, 'published')`)
  await former.settled()
  await former.stop()
  await database.query(`
    delete from changefeed.migration where name >= '0010';
    drop function changefeed.has_unique_rows, changefeed.transition_texts`)
  await database.query(`insert into pet (id, name) values (2, 'in a former slot')`)
  const writer = await database.connect()
  let [going, written] = [true, 2]
  const writing = (async () => {
    while (going) await writer.query('insert into pet (id, name) values ($1, $2)', [++written, 'during the migration'])
  })()
  await eventually(() => expect(written).toBeGreaterThan(20))
  const feed = shop.feed({ retentionMs: 1_000 })
  await feed.install()
  const migrated = written
  await eventually(() => expect(written).toBeGreaterThan(migrated + 20))
  going = false
  await writing
  expect(await partitions(shop, 'change')).toEqual(['0', '1', '2', '3', '9', 'default'])
  expect(await partitions(shop, 'tick')).toEqual(['0', '1', '2', '3', '9', 'default'])
  await feed.start()
  await feed.settled()
  expect(summary(published)).toEqual(Array.from({ length: written }, (_, index) => `created pet ${index + 1}`))
  await eventually(
    async () => {
      expect(await partitions(shop, 'change')).toEqual(SLOTS)
      expect(await partitions(shop, 'tick')).toEqual(SLOTS)
    },
    { withinMs: 40_000, everyMs: 200 },
  )
  await database.query(`update pet set name = 'later' where id = 1`)
  await feed.settled()
  expect(summary(published).at(-1)).toBe('updated pet 1')
}, 90_000)
