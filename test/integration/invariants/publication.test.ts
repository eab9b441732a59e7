import { expect, test } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import { openMigratedShop, openShop } from '../feed/fixture.ts'

/** PostgreSQL 15 and later support publications of a schema. */
async function publicationOf(query: (sql: string) => Promise<unknown[]>, what: 'all tables' | 'our schema') {
  const [server] = (await query(`select current_setting('server_version_num')::int as version`)) as {
    version: number
  }[]
  const known = (server?.version ?? 0) >= 150_000
  await query(
    `create publication everything for ${what === 'our schema' && known ? 'tables in schema changefeed' : 'all tables'}`,
  )
}

test.each(['all tables', 'our schema'] as const)(
  'a publication of %s allows updates and deletes in all our tables',
  async what => {
    const { database, feed } = await openMigratedShop()
    await feed().install()
    await publicationOf(sql => database.query(sql), what)
    const tables = await database.query<{ name: string; first: string }>(`
      select c.oid::regclass::text as name, quote_ident(attname) as first
      from pg_class c join pg_attribute on attrelid = c.oid and attnum = 1
      where relnamespace = 'changefeed'::regnamespace and relkind in ('r', 'p')`)
    expect(tables.length).toBeGreaterThan(20)
    for (const { name, first } of tables) {
      const values = name.endsWith('captured_table') ? `${first} = default` : `${first} = ${first}`
      await database.query(`update ${name} set ${values} where random() < 0`)
      await database.query(`delete from ${name} where random() < 0`)
    }
  },
)

test('a feed starts on a clone of a database with a publication for all tables, and its clients refetch', async () => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  const feed = newFeed({ retentionMs: 1_000 })
  await feed.install()
  await feed.start()
  await database.query('create publication everything for all tables')
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  await feed.stop()
  await database.query(`update changefeed.state set system_identifier = '1'`) // as in a clone
  await feed.start()
  await database.query(`insert into pet (id, name) values (2, 'max'); update pet set name = 'tom'; delete from pet`)
  await feed.settled()
  expect(published.map(({ event }) => event.verb)).toContain('refetch')
  expect(published.filter(({ event }) => event.verb === 'destroyed')).toHaveLength(2)
  await eventually(async () => expect(feed.status().state).toBe('running'))
})

test('the plan warns of a publication whose subscribers lack our tables', async () => {
  const { database, feed: newFeed } = await openShop()
  await database.query('create publication everything for all tables')
  const feed = newFeed()
  expect((await feed.plan()).capture.warnings).toContainEqual(expect.stringMatching(/publication everything/))
  await feed.install()
  expect((await feed.plan()).capture.warnings).toEqual([])
})
