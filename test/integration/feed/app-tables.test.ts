import { expect, test } from 'vitest'
import { openShop, summary } from './fixture.ts'

/** Changes by the owner of the table `pet` that make a query call a function. See also `hostile-app-table.test.ts`. */
const traps: Record<string, string> = {
  'a view of an immutable function, which the planner calls': `
    create function trap() returns boolean immutable language plpgsql as $$ begin return nextval('public.calls') > 0; end $$;
    alter table pet rename to hidden;
    create view pet as select * from hidden where trap()`,
  'an implicit cast': `
    create type key as enum ('1');
    create function trap(public.key) returns text language sql as $$ select nextval('public.calls')::text $$;
    create cast (key as text) with function trap(key) as implicit;
    alter table pet alter owner type key using owner::text::key`,
}

test.each(Object.entries(traps))(
  'related records are read without running code of another role: %s',
  async (_, trap) => {
    const { database, feed: createFeed, published } = await openShop()
    const listener = await database.role()
    await database.query(`
    create sequence calls;
    grant all on calls to public;
    grant create on database "${database.name}" to "${listener.name}";
    grant trigger, select on "user", pet to "${listener.name}";
    insert into "user" (id, name) values (1, 'ann');
    insert into pet (id, name, owner) values (1, 'rex', 1)`)
    const feed = createFeed({ connectionString: listener.connectionString })
    await feed.install()
    await feed.start()
    await database.query(`${trap}; grant select on pet to public; alter sequence calls restart`)
    await database.query('delete from "user" where id = 1')
    await feed.settled()
    expect(await database.query('select is_called from calls')).toEqual([{ is_called: false }])
    expect(summary(published)).toContain('destroyed user 1')
    expect(summary(published)).toContain('refetch pet')
  },
)
