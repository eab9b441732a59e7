import { expect, test } from 'vitest'
import type { Changefeed } from '../../../src/changefeed.ts'
import type { ChangefeedOptions } from '../../../src/options.ts'
import type { MessageMeta, RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { eventually } from '../../helpers/eventually.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { openInstalledShop, openMigratedShop, type Published, petShop, type Shop, summary } from './fixture.ts'

const WITHIN = { withinMs: 20_000 }

async function runningShop(options: Partial<ChangefeedOptions> = {}): Promise<Shop & { running: Changefeed }> {
  const shop = await openInstalledShop()
  const running = shop.feed({ publish: 'leader', ...options })
  await running.start()
  return { ...shop, running }
}

const becomes = (feed: Changefeed, ...reasons: string[]) =>
  eventually(() => expect(feed.status().uncaptured.map(({ reason }) => reason)).toEqual(reasons), WITHIN)

/** The events published since the last call. */
async function taken({ running, published }: { running: Changefeed; published: Published[] }): Promise<string[]> {
  await running.settled()
  return summary(published.splice(0))
}

const GAP = ['refetch user', 'refetch pet']

const SWAP = `
  begin; create table user_new (like "user" including all); alter table "user" rename to user_old;
  alter table user_new rename to "user"; commit`

test('a swapped table is reported once, its clients refetch, and the old table is no longer published', async () => {
  const warnings: unknown[] = []
  const ignore = () => {}
  const logger = {
    error: ignore,
    info: ignore,
    debug: ignore,
    warn: (message: string, fields?: object) => warnings.push({ message, ...fields }),
  }
  const shop = await runningShop({ logger })
  await shop.database.query(SWAP)
  await becomes(shop.running, 'moved')
  expect(shop.running.status().uncaptured).toEqual([{ identity: 'user', table: '"public"."user"', reason: 'moved' }])
  expect(await taken(shop)).toEqual(GAP)
  await shop.database.query(`insert into user_old (name) values ('stale')`)
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  expect(await taken(shop)).toEqual(['created pet 1'])
  const about = warnings.filter(warning => JSON.stringify(warning).includes('another table'))
  expect(about).toMatchObject([{ model: 'user', table: '"public"."user"' }])

  await shop.running.install()
  await shop.database.query(`insert into "user" (id, name) values (7, 'ann')`)
  expect(await taken(shop)).toEqual([...GAP, 'created user 7'])
  await becomes(shop.running)
  await shop.database.query(`insert into user_old (name) values ('stale')`)
  expect(await taken(shop)).toEqual([])
  // Swapped back to a table whose triggers were never disabled.
  await shop.database.query(
    `begin; alter table "user" rename to user_new; alter table user_old rename to "user"; commit`,
  )
  await eventually(async () => expect(await taken(shop)).toEqual(GAP), WITHIN)
  await shop.database.query(`insert into "user" (id, name) values (8, 'bob')`)
  expect(await taken(shop)).toEqual(['created user 8'])
})

test('a table recreated and captured by another process is published without a restart', async () => {
  const shop = await runningShop()
  const other = shop.feed()
  for (const noticed of [false, true]) {
    await shop.database.query(`insert into "user" (name) values ('unread')`)
    await shop.database.query('drop table "user"; create table "user" (id serial primary key, name text)')
    if (noticed) await becomes(shop.running, 'moved')
    await shop.running.settled()
    shop.published.length = 0
    await other.install()
    await shop.database.query(`insert into "user" (name) values ('a')`)
    await shop.database.query(`insert into "user" (name) values ('b')`)
    expect((await taken(shop)).slice(-4)).toEqual([...GAP, 'created user 1', 'created user 2'])
    await becomes(shop.running)
  }
})

test('a model installed later by another process is published at once', async () => {
  const shop = await openMigratedShop()
  await shop.feed({ models: ['pet'] }).install()
  const running = shop.feed({ publish: 'leader' })
  await running.start()
  expect(running.status().uncaptured).toMatchObject([{ identity: 'user', reason: 'uncaptured' }])
  await shop.feed().install()
  await shop.database.query(`insert into "user" (id, name) values (1, 'ann')`)
  expect(await taken({ ...shop, running })).toEqual(['created user 1']) // never captured, so nothing is missing
})

test('triggers disabled and enabled manually are reported, with a gap each time', async () => {
  const shop = await runningShop()
  await shop.database.query('alter table "user" disable trigger user')
  await becomes(shop.running, 'disabled')
  expect(await taken(shop)).toEqual(GAP)
  await shop.database.query(`insert into "user" (name) values ('missed')`)
  await shop.database.query('alter table "user" enable trigger user')
  await becomes(shop.running)
  expect(await taken(shop)).toEqual(GAP)
})

test.each(['by installing', 'manually'])('capture restored while no listener ran, %s, causes a gap', async how => {
  const shop = await runningShop()
  if (how === 'manually') {
    await shop.database.query('alter table "user" disable trigger user')
    await becomes(shop.running, 'disabled')
  }
  await taken(shop)
  await shop.running.stop()
  await shop.database.query('alter table "user" disable trigger user')
  await shop.database.query(`insert into "user" (name) values ('missed')`)
  if (how === 'manually') await shop.database.query('alter table "user" enable trigger user')
  else await shop.feed().install()
  const next = shop.feed({ publish: 'leader' })
  await next.start()
  await eventually(async () => expect(await taken({ ...shop, running: next })).toEqual(GAP), WITHIN)
  await next.stop()
  const last = shop.feed({ publish: 'leader' })
  await last.start()
  expect(await taken({ ...shop, running: last })).toEqual([])
})

test('each publishing node declares the gap once', async () => {
  const shop = await openMigratedShop()
  const nodes = ['a', 'b'].map(() => {
    const published: Published[] = []
    const publisher = { publish: (event: RecordEvent, meta: MessageMeta) => void published.push({ event, meta }) }
    return { published, running: shop.feed({ publish: 'local', publisher }) }
  })
  await nodes[0]?.running.install()
  for (const { running } of nodes) await running.start()
  await shop.database.query('alter table "user" disable trigger user')
  for (const { running } of nodes) await becomes(running, 'disabled')
  await shop.feed().install()
  await shop.database.query(`insert into "user" (id, name) values (1, 'ann')`)
  for (const { running } of nodes) await becomes(running)
  for (const node of nodes) expect(await taken(node)).toEqual([...GAP, ...GAP, 'created user 1'])
})

test('after a table rename, processes of the old and the new version each use their own models', async () => {
  const shop = await runningShop()
  const { connectionString } = shop.database
  const models = { ...petShop, user: { ...petShop.user, tableName: 'person' } }
  const { collections } = await startWaterline({ connectionString, models })
  await shop.database.query('alter table "user" rename to person')
  await becomes(shop.running, 'gone')
  const published: Published[] = []
  const publisher = { publish: (event: RecordEvent, meta: MessageMeta) => void published.push({ event, meta }) }
  const renewed = shop.feed({ collections, publish: 'local', publisher })
  await renewed.start()
  expect(renewed.status().uncaptured).toEqual([])
  await shop.database.query(`insert into person (id, name) values (1, 'ann')`)
  await renewed.settled()
  expect(summary(published)).toContain('created user 1')
  await becomes(shop.running, 'gone')
  expect(await taken(shop)).toEqual(GAP)
  expect(await shop.database.query(`select from changefeed.change where operation = 'G'`)).toHaveLength(1)
  expect((await renewed.plan()).capture.steps.map(({ action }) => action)).toEqual(['keep', 'keep'])
})

test('another app does not prune capture that a running node publishes', async () => {
  const shop = await runningShop()
  await shop.database.query('create table invoice (id serial primary key)')
  const { collections } = await startWaterline({
    connectionString: shop.database.connectionString,
    models: { user: petShop.pet, invoice: { attributes: {} } },
  })
  const { user: _, ...invoices } = collections
  const admin = shop.feed({ collections: invoices, models: ['invoice'] })
  const done = await admin.install({ prune: true })
  expect(done.capture.steps.map(({ identity, action }) => [identity, action])).toEqual(
    expect.arrayContaining([
      ['user', 'surplus'],
      ['pet', 'surplus'],
      ['invoice', 'create'],
    ]),
  )
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  expect(await taken(shop)).toEqual(['created pet 1'])
  await shop.running.stop()
  const pruned = await admin.install({ prune: true })
  expect(pruned.capture.steps.filter(({ action }) => action === 'drop')).toHaveLength(2)
})
