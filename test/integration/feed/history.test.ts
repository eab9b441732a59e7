import { randomInt } from 'node:crypto'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { openInstalledShop, type Published, type Shop, summary } from './fixture.ts'

/** The rows of the table according to the events. Throws if an event contradicts earlier ones. */
function replayed(published: readonly Published[]): Map<unknown, unknown> {
  const records = new Map<unknown, unknown>()
  for (const { event, meta } of published) {
    if (event.verb === 'created') {
      expect(records.has(event.id), `${meta.cursor}: ${event.id} is made twice`).toBe(false)
      records.set(event.id, event.record.name)
    } else if (event.verb === 'updated') {
      expect(event.previous?.name, `${meta.cursor}: ${event.id} was not like that`).toBe(records.get(event.id))
      records.set(event.id, 'name' in event.changes ? event.changes.name : records.get(event.id))
    } else if (event.verb === 'destroyed') {
      expect(event.previous?.name, `${meta.cursor}: ${event.id} was not like that`).toBe(records.get(event.id))
      records.delete(event.id)
    }
  }
  return records
}

async function expectSameAsTable({ database, published }: Shop) {
  const rows = await database.query<{ id: number; name: string }>('select id, name from pet')
  expect([...replayed(published)].sort()).toEqual(rows.map(({ id, name }) => [id, name]).sort())
}

async function runningShop() {
  const shop = await openInstalledShop()
  const feed = shop.feed()
  await feed.start()
  return { ...shop, running: feed }
}

test('publishes transactions in commit order, no rollbacks, and savepoints with their transaction', async () => {
  const { database, running, published } = await runningShop()
  const [late, other] = [await database.connect(), await database.connect()]
  await late.query('begin')
  await late.query(`insert into pet (id, name) values (1, 'late')`)
  await other.query(`insert into pet (id, name) values (2, 'early')`)
  await running.settled()
  expect(summary(published)).toEqual(['created pet 2'])
  await late.query('savepoint a')
  await late.query(`insert into pet (id, name) values (3, 'undone')`)
  await late.query('rollback to savepoint a')
  await late.query('savepoint b')
  await late.query(`insert into pet (id, name) values (4, 'in a savepoint')`)
  await late.query('release savepoint b')
  await other.query(`begin; insert into pet (id, name) values (5, 'never'); rollback`)
  await running.settled()
  expect(published).toHaveLength(1)
  await late.query('commit')
  await running.settled()
  expect(summary(published)).toEqual(['created pet 2', 'created pet 1', 'created pet 4'])
})

test('a prepared transaction is published at its commit', async () => {
  const { database, running, published } = await runningShop()
  const client = await database.connect()
  await client.query(`set changefeed.notify = off`)
  await client.query(
    `begin; insert into pet (id, name) values (1, 'two-phase'); prepare transaction 'p${database.name}'`,
  )
  await client.query(`insert into pet (id, name) values (2, 'after')`)
  await running.settled()
  expect(summary(published)).toEqual(['created pet 2'])
  await client.query(`commit prepared 'p${database.name}'`)
  await running.settled()
  expect(summary(published)).toEqual(['created pet 2', 'created pet 1'])
})

test('an open transaction in another database does not delay publishing', async () => {
  const { database, running, published } = await runningShop()
  const elsewhere = await testDatabase()
  const client = await elsewhere.connect()
  await client.query('begin; create table busy (id int)')
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await running.settled()
  expect(summary(published)).toEqual(['created pet 1'])
})

test('two transactions that overlap on one row', async () => {
  const { database, running, published, ...shop } = await runningShop()
  const [one, two] = [await database.connect(), await database.connect()]
  await database.query(`insert into pet (id, name) values (1, 'start')`)
  // The second has the lower sequence numbers and the higher commit.
  await one.query('begin')
  await two.query('begin')
  await two.query(`insert into pet (id, name) values (2, 'by two')`)
  await one.query(`update pet set name = 'by one' where id = 1`)
  const waiting = two.query(`update pet set name = 'by two' where id = 1`)
  await one.query('commit')
  await waiting
  await two.query('commit')
  await running.settled()
  await expectSameAsTable({ database, published, ...shop })
})

test('a trigger of the app that updates rows of its own statement', async () => {
  const { database, running, published, ...shop } = await runningShop()
  await database.query(`
    create function echo() returns trigger language plpgsql as $$
      begin
        if pg_trigger_depth() < 2 then update pet set name = name || '!' where id <> new.id; end if;
        return null;
      end $$;
    create trigger echo after update on pet for each row execute function echo();
    insert into pet (id, name) values (1, 'a'), (2, 'b'), (3, 'c')`)
  await database.query(`update pet set name = name || '+'`)
  await running.settled()
  await expectSameAsTable({ database, published, ...shop })
})

test('the same across pages: clients refetch where the order cannot be restored', async () => {
  const { database, running, published } = await runningShop()
  await database.query(`
    insert into pet (id, name) select id, 'a' from generate_series(1, 1200) as id;
    create function echo() returns trigger language plpgsql as $$
      begin
        if new.id = 1 and pg_trigger_depth() < 2 then update pet set name = name || '!' where id = 1100; end if;
        return null;
      end $$;
    create trigger echo after update on pet for each row execute function echo()`)
  await running.settled()
  published.length = 0
  await database.query(`update pet set name = 'b'`)
  await running.settled()
  const [pets, owners] = published.slice(-2).map(({ event }) => event)
  expect(pets).toEqual({ verb: 'refetch', identity: 'pet', reason: 'bulk' })
  expect(owners).toEqual({ verb: 'refetch', identity: 'user', reason: 'bulk' })
  published.length = 0
  await database.query(`update pet set name = 'c' where id <> 1`)
  await running.settled()
  expect(published).toHaveLength(1_199) // in order, so no refetch
})

test('ten writers with savepoints, rollbacks and pauses: nothing is lost or early, and records stay in order', async () => {
  const { database, running, published, ...shop } = await runningShop()
  const clients = await Promise.all(Array.from({ length: 10 }, () => database.connect()))
  await Promise.all(clients.map(client => writeAtRandom(client, 60)))
  await running.settled()
  expect(published.length).toBeGreaterThan(200)
  await expectSameAsTable({ database, published, ...shop })
  expect(new Set(published.map(({ meta }) => meta.cursor)).size).toBe(published.length)
})

/** Few records, so that writers conflict. */
async function writeAtRandom(client: pg.Client, transactions: number) {
  await client.query(`set deadlock_timeout = '20ms'`)
  for (let done = 0; done < transactions; done++) {
    await client.query('begin')
    try {
      for (let step = 0; step < randomInt(1, 5); step++) await client.query(randomWrite())
      await client.query(randomInt(5) === 0 ? 'rollback' : 'commit')
    } catch (error) {
      expect(['40P01', '23505']).toContain((error as { code?: string }).code) // deadlock, taken id
      await client.query('rollback')
    }
  }
}

function randomWrite(): string {
  const id = randomInt(1, 20)
  const name = `n${randomInt(1_000_000)}`
  switch (randomInt(6)) {
    case 0:
      return `insert into pet (id, name) values (${id}, '${name}') on conflict do nothing`
    case 1:
      return `delete from pet where id = ${id}`
    case 2:
      return `savepoint s; insert into pet (id, name) values (${id}, '${name}') on conflict (id) do update set name = excluded.name; rollback to savepoint s`
    case 3:
      return `savepoint s; update pet set name = '${name}' where id = ${id}; release savepoint s`
    case 4:
      return `select pg_sleep(${randomInt(5) / 1000})`
    default:
      return `insert into pet (id, name) values (${id}, '${name}') on conflict (id) do update set name = excluded.name`
  }
}

/** 1200 pets, so that a statement on all takes three pages, with a trigger on each. */
async function shopWithTrigger(body: string) {
  const shop = await runningShop()
  await shop.database.query(`
    insert into pet (id, name) select id, 'a' from generate_series(1, 1200) as id;
    create function react() returns trigger language plpgsql as $$
      begin
        if pg_trigger_depth() < 2 then ${body} end if;
        return null;
      end $$;
    create trigger react after update on pet for each row execute function react()`)
  await shop.running.settled()
  shop.published.length = 0
  return shop
}

const refetched = (published: readonly Published[]) =>
  published.flatMap(({ event }) => (event.verb === 'refetch' ? event.identity : []))

test.each([
  ['swapped within one page of several', `if new.id = 1 then update pet set name = 'x' where id = 100; end if;`],
  ['of nested updates that change nothing', `if new.id = 1 then update pet set name = name; end if;`],
])('no client refetches for changes %s', { timeout: 60_000 }, async (_name, body) => {
  const { database, running, published } = await shopWithTrigger(body)
  await database.query(`update pet set name = 'b'`)
  await running.settled()
  expect(refetched(published)).toEqual([])
})

test('clients refetch when a trigger reverts what its own statement is about to do', async () => {
  const { database, running, published } = await shopWithTrigger(
    `if new.id = 1 then update pet set name = 'a' where id = 2; end if;`,
  )
  await database.query(`update pet set name = 'b' where id < 4`)
  await running.settled()
  expect(refetched(published)).toEqual(['pet', 'user'])
})
