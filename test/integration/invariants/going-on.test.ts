import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { CatchUpWaiters } from '../../../src/feed/catch-up-waiters.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { eventOf } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openMigratedShop, summary } from '../feed/fixture.ts'

test.each([
  ['null', null],
  ['undefined', undefined],
  ['a text', 'no'],
])('a mapping or publisher that throws %s affects one change and does not stop the feed', async (_name, thrown) => {
  const { feed: newFeed, database, collections } = await openInstalledShop()
  collections.pet.customToJSON = function toJson(this: { name: string }) {
    if (this.name === 'unmappable') throw thrown
    return { ...this }
  }
  const events: unknown[] = []
  const publisher = {
    publish(event: RecordEvent) {
      if ('record' in event && event.record.name === 'unpublishable') throw thrown
      if ('record' in event && event.record.name === 'rejected') return Promise.reject(thrown)
      events.push('id' in event ? event.id : event.verb)
    },
  }
  const feed = newFeed({ publisher })
  const skipped: Error[] = []
  feed.on('skipped', ({ error }) => skipped.push(error))
  await feed.start()
  await database.query(
    `insert into pet (id, name) values (1, 'a'), (2, 'unmappable'), (3, 'unpublishable'), (4, 'rejected'), (5, 'b')`,
  )
  await feed.settled()
  expect(events).toEqual([1, 5, 'refetch'])
  expect(skipped).toHaveLength(3)
  for (const error of skipped) expect(error).toBeInstanceOf(Error)
})

test('a throwing listener of the feed affects no change and no connection', async () => {
  const { feed: newFeed, database, published } = await openInstalledShop()
  const errors: unknown[] = []
  const logger = { error: (...told: unknown[]) => errors.push(told), warn() {}, info() {}, debug() {} }
  const feed = newFeed({ logger })
  let disconnected = 0
  const fail = () => {
    throw new Error('a bug of the app')
  }
  for (const event of ['connected', 'leader', 'change', 'published', 'read', 'skipped', 'error'] as const) {
    feed.on(event, fail)
  }
  feed.on('disconnected', () => disconnected++)
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'a'), (2, 'b')`)
  await feed.settled()
  expect(summary(published)).toEqual(['created pet 1', 'created pet 2'])
  expect(disconnected).toBe(0)
  expect(JSON.stringify(errors)).toContain('a bug of the app')
})

test('settled() rejects after the feed has stopped, also while it waits', async () => {
  const { database } = await openInstalledShop()
  const db = openDatabase({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const catchUpWaiters = new CatchUpWaiters(db)
  const asked = catchUpWaiters.wait(() => {})
  catchUpWaiters.abandon()
  await expect(asked).rejects.toMatchObject({ code: 'E_STATE' })
})

test('thousands of callers may await settled() concurrently', async () => {
  const { feed: newFeed, database } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  let released = 0
  await database.query(`insert into pet (id, name) values (1, 'a')`)
  const waiters = Array.from({ length: 2_000 }, () => feed.settled().then(() => released++))
  await Promise.all(waiters)
  expect(released).toBe(2_000)
})

test('a feed stopped while it starts does not run, and both calls settle', async () => {
  const { feed: newFeed } = await openInstalledShop()
  const feed = newFeed()
  const starting = feed.start()
  await feed.stop()
  await expect(starting).rejects.toMatchObject({ code: 'E_STATE' })
  expect(feed.status()).toMatchObject({ state: 'stopped', role: null })
  const again = feed.start()
  await feed.settled().catch(() => {})
  await feed.stop()
  await again.catch(() => {})
  expect(feed.status().state).toBe('stopped')
})

test('an unreadable related table does not affect messages about the record itself', async () => {
  const { feed: newFeed, database, published } = await openMigratedShop()
  const owner = newFeed()
  await owner.install()
  const role = await database.role()
  await database.query(`
    grant usage on schema changefeed to ${role.name};
    grant all on all tables in schema changefeed to ${role.name};
    grant all on all sequences in schema changefeed to ${role.name};
    grant execute on all functions in schema changefeed to ${role.name}`)
  const feed = newFeed({ connectionString: role.connectionString })
  await feed.start()
  await database.query(`insert into "user" (id, name) values (1, 'ada'); insert into pet (id, owner) values (7, 1)`)
  await database.query(`delete from "user"`)
  await feed.settled()
  expect(summary(published).slice(-2)).toEqual(['destroyed user 1', 'refetch pet'])
})

test('logged changes of a dropped table cause one gap of its model', async () => {
  const { feed: newFeed, database, published } = await openInstalledShop()
  const feed = newFeed()
  await database.query(`insert into pet (id, name) values (1, 'a'), (2, 'b')`)
  await database.query('drop table pet')
  const gap = eventOf(feed, 'gap')
  await feed.start()
  expect(await gap).toEqual([{ reason: 'gap', identities: ['pet', 'user'] }])
  await feed.settled()
  expect(summary(published)).toEqual(['refetch pet', 'refetch user'])
})

test('a stop among changes logged out of order causes no duplicates', async () => {
  const { feed: newFeed, database } = await openMigratedShop()
  await database.query(`
    create function echo() returns trigger language plpgsql as $$
      begin
        if pg_trigger_depth() < 2 then update pet set name = name || '!' where id <> new.id; end if;
        return null;
      end $$;
    create trigger echo after update on pet for each row execute function echo();
    insert into pet (id, name) values (1, 'a'), (2, 'b'), (3, 'c')`)
  const cursors: string[] = []
  let stopAt = 2
  const publisher = {
    publish({ verb }: RecordEvent, { cursor }: { cursor: string }) {
      if (verb === 'refetch') return // allowed, since it is unknown whether the reordered changes span the stop
      cursors.push(cursor)
      if (cursors.length === stopAt) void first.stop()
    },
  }
  const first = newFeed({ publisher })
  await first.install()
  await database.query(`update pet set name = name || '+'`)
  await first.start()
  await first.settled().catch(() => {})
  await first.stop()
  stopAt = 0
  const second = newFeed({ publisher })
  await second.start()
  await second.settled()
  expect(cursors).toHaveLength(9)
  expect(new Set(cursors).size).toBe(9)
})

test('many processes may install concurrently with different retentions', async () => {
  const { feed: newFeed } = await openMigratedShop()
  const feeds = Array.from({ length: 6 }, () => newFeed({ retentionMs: 60_000 }))
  await Promise.all(feeds.map(feed => feed.install()))
})
