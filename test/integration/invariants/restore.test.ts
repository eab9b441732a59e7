import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startDumpServer } from '../../helpers/dump-server.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { openShop, petShop } from '../feed/fixture.ts'

test('`pg_restore --clean` can drop all our constraints and indexes', async () => {
  const { database, feed } = await openShop()
  await feed().install()
  const inherited = await database.query<{ name: string }>(`
    select conrelid::regclass::text || ' ' || conname as name from pg_constraint
    where connamespace = 'changefeed'::regnamespace and coninhcount > 0 and contype <> 'n'`)
  expect(inherited).toEqual([])
})

/** All ways to restore. Each follows the previous one, into the same database. */
const WAYS: readonly (readonly string[])[] = [
  [],
  ['--clean', '--if-exists'],
  ['--clean', '--if-exists', '--single-transaction'],
  ['--clean', '--if-exists', '--no-owner', '--exit-on-error'],
]

test('the feed works after every way to restore a dump into another database', {
  timeout: 120_000,
}, async () => {
  const server = await startDumpServer()
  const [source, target] = [await testDatabase({ server }), await testDatabase({ server })]
  const shop = await openShop(source)
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  await source.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  await feed.stop()
  const file = join(await scratchFolder(), 'dump')
  await server.run('pg_dump', '--format=custom', `--dbname=${source.connectionString}`, `--file=${file}`)
  for (const way of WAYS) await server.run('pg_restore', ...way, `--dbname=${target.connectionString}`, file)
  const there = await openRestored(target.connectionString)
  expect(there.published[0]?.event).toMatchObject({ verb: 'refetch', reason: 'epoch' })
  await there.feed.stop()
})

test('restoring a dump into its original database starts a new epoch', {
  timeout: 120_000,
}, async () => {
  const server = await startDumpServer()
  const database = await testDatabase({ server })
  const shop = await openShop(database)
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  await feed.stop()
  const file = join(await scratchFolder(), 'dump')
  await server.run('pg_dump', '--format=custom', `--dbname=${database.connectionString}`, `--file=${file}`)
  await database.query(`insert into pet (id, name) values (1, 'rex')`) // lost by the restore, so clients must refetch
  await server.run('pg_restore', '--clean', '--if-exists', `--dbname=${database.connectionString}`, file)
  const there = await openRestored(database.connectionString)
  expect(there.published[0]?.event).toMatchObject({ verb: 'refetch', reason: 'epoch' })
  await there.feed.stop()
})

async function openRestored(connectionString: string) {
  const { collections } = await startWaterline({ connectionString, models: petShop })
  const published: { readonly event: object }[] = []
  const publisher = { publish: (event: object) => void published.push({ event }) }
  const feed = createChangefeed({ connectionString, collections, publisher })
  await feed.start()
  await feed.settled()
  return { feed, published }
}
