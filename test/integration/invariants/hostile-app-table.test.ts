import { expect, test } from 'vitest'
import { listenerGrants } from '../../../src/db/foreign-rights.ts'
import { openShop, summary } from '../feed/fixture.ts'

/** The owner of the app's tables, with a function that records the calling role. */
async function openHostileShop() {
  const shop = await openShop()
  const { database } = shop
  const owner = await database.role()
  await database.query(`
    create table called (by_role text);
    create function note() returns boolean language plpgsql as
      $$ begin insert into public.called values (current_user); return true; end $$;
    grant insert on called to public;
    insert into "user" (id, name) values (1, 'ada');
    insert into pet (id, name, owner) values (1, 'rex', 1)`)
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  await feed.settled()
  await database.query(`
    alter table pet owner to ${owner.name};
    alter function note() owner to ${owner.name};
    grant all on schema public to ${owner.name}`)
  const client = await database.connect({ connectionString: owner.connectionString })
  const callers = () => database.query('select distinct by_role from called')
  return { ...shop, shop, feed, client, callers }
}

test('a view in place of a table does not run with the privileges of the listener', async () => {
  const { database, feed, client, callers, published } = await openHostileShop()
  await client.query(`
    begin;
    alter table pet rename to pet_before;
    create view pet as select * from pet_before where note();
    commit`)
  await database.query('delete from "user" where id = 1')
  await feed.settled()
  expect(await callers()).toEqual([])
  expect(summary(published)).toEqual(expect.arrayContaining(['destroyed user 1', 'refetch pet']))
})

test('a row-level policy of a table does not run with the privileges of the listener', async () => {
  const { database, shop, feed, client, callers, published } = await openHostileShop()
  await feed.stop()
  await client.query('alter table pet enable row level security; create policy noted on pet using (note())')
  const listener = await database.role()
  for (const grant of listenerGrants('changefeed', listener.name)) await database.query(grant)
  await database.query(`grant select on pet, "user" to ${listener.name}`)
  await database.query('delete from "user" where id = 1')
  const next = shop.feed({ connectionString: listener.connectionString })
  await next.start()
  await next.settled()
  expect(await callers()).toEqual([])
  expect(summary(published)).toEqual(expect.arrayContaining(['destroyed user 1', 'refetch pet']))
})
