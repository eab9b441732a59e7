import { expect, test } from 'vitest'
import { openInstalledShop, openMigratedShop, openShop, summary } from './fixture.ts'

test.each(['changefeed', 'Odd "Sch'])('a raw SQL write is published (schema %s)', async schema => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  const feed = newFeed({ schema, models: { user: { omit: ['password'] } } })
  await feed.install()
  await feed.start()
  await database.query(`insert into "user" (id, name, password) values (1, 'ada', 'secret')`)
  await database.query(`insert into pet (id, name, owner) values (7, 'rex', 1)`)
  await database.query(`update pet set name = 'max' where id = 7`)
  await database.query('delete from pet')
  await feed.settled()
  expect(summary(published)).toEqual([
    'created user 1',
    'created pet 7',
    'updated pet 7',
    'destroyed pet 7',
    'removedFrom user 1',
  ])
  expect(JSON.stringify(published)).not.toContain('secret')
})

test('changes written while no feed ran are published once by the next feed', async () => {
  const { database, feed: newFeed, published } = await openShop()
  const first = newFeed()
  await first.install()
  await database.query(`insert into pet (id, name) values (1, 'before the first start')`)
  await first.start()
  await first.settled()
  await first.stop()
  await database.query(`update pet set name = 'while stopped'`)
  const second = newFeed()
  await second.start()
  await second.settled()
  expect(summary(published)).toEqual(['created pet 1', 'updated pet 1'])
})

test('a record that its model cannot serialize is reported, its clients refetch, and the feed continues', async () => {
  const { database, feed: newFeed, collections, published } = await openInstalledShop()
  collections.pet.customToJSON = function toJson(this: { name: string }) {
    if (this.name === 'bad') throw new Error('no bad pets')
    return { ...this }
  }
  const feed = newFeed()
  const skipped: unknown[] = []
  feed.on('skipped', event => skipped.push(event))
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'good'), (2, 'bad'), (3, 'good')`)
  await feed.settled()
  expect(summary(published)).toEqual(['created pet 1', 'created pet 3', 'refetch pet'])
  const error = expect.objectContaining({ code: 'E_MODEL', message: expect.stringContaining('no bad pets') })
  expect(skipped).toEqual([{ identity: 'pet', cursor: expect.any(String), error }])
  expect(feed.status().failures).toEqual([
    {
      identity: 'pet',
      count: 1,
      at: expect.any(Number),
      reason: expect.stringContaining('no bad pets'),
      stack: expect.stringContaining('toJson'),
    },
  ])
})

test('a message rejected by the publisher does not affect other messages of its change', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const seen: string[] = []
  const publisher = {
    publish({ identity, verb }: { identity: string; verb: string }) {
      if (verb === 'destroyed') throw new Error('refused')
      seen.push(`${verb} ${identity}`)
    },
  }
  const feed = newFeed({ publisher })
  const skipped: unknown[] = []
  feed.on('skipped', ({ identity, error }) => skipped.push([identity, error.message]))
  await feed.start()
  await database.query(
    `insert into "user" (id, name) values (1, 'ann'); insert into pet (id, name, owner) values (1, 'rex', 1)`,
  )
  await database.query('delete from pet')
  await feed.settled()
  expect(seen).toEqual(['created user', 'created pet', 'removedFrom user', 'refetch pet'])
  expect(skipped).toEqual([['pet', 'refused']])
})

test('an unavailable publisher pauses the feed without loss or reordering', async () => {
  const { database, feed: newFeed } = await openInstalledShop()
  const seen: string[] = []
  let down = 3
  const publisher = {
    async publish({ identity, verb }: { identity: string; verb: string }) {
      if (down-- > 0) throw Object.assign(new Error('backend down'), { retryable: true })
      seen.push(`${verb} ${identity}`)
    },
  }
  const feed = newFeed({ publisher })
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex'); delete from pet`)
  await feed.settled()
  expect(seen).toEqual(['created pet', 'destroyed pet'])
})

test('handles columns added, dropped and retyped while the feed runs', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  await database.query(`alter table pet add column weight integer`)
  await database.query(`update pet set weight = 3`)
  await database.query(`alter table pet drop column weight`)
  await database.query(`update pet set name = 'max'`)
  await feed.settled()
  expect(summary(published)).toEqual(['created pet 1', 'updated pet 1', 'updated pet 1'])
  expect(published.at(-1)?.event).toMatchObject({ changes: { id: 1, name: 'max' }, previous: { name: 'rex' } })
})

test.each([
  ['integer', 'numeric', '1', '1.75', '1.75'],
  ['boolean', 'text', 'true', `'yes'`, 'yes'],
  ['text', 'integer', `'1'`, '2', 2],
])(
  'a row written right after its column %s became %s is read with the new type',
  async (former, type, before, value, read) => {
    const { database, feed: newFeed, published } = await openMigratedShop()
    const feed = newFeed()
    await database.query(`alter table pet drop column name, add column name ${former} default ${before}`)
    await feed.install()
    await feed.start()
    await database.query(`insert into pet (id) values (1)`)
    await feed.settled()
    await database.query(`
    begin;
    alter table pet alter column name drop default, alter column name type ${type} using ${value};
    update pet set name = ${value};
    commit`)
    await feed.settled()
    const updates = published.filter(({ event }) => event.verb === 'updated')
    expect(updates.at(-1)?.event).toMatchObject({ changes: { id: 1 }, previous: { name: read } })
  },
)

test('noopUpdates determines whether a no-op UPDATE is published', async () => {
  for (const [noopUpdates, expected] of [
    ['publish', ['updated pet 1']],
    ['ignore', []],
  ] as const) {
    const { database, feed: newFeed, published } = await openMigratedShop()
    const feed = newFeed({ noopUpdates })
    await feed.install()
    await database.query(`insert into pet (id, name) values (1, 'rex')`)
    await feed.start()
    await feed.settled()
    published.length = 0
    await database.query('update pet set name = name')
    await feed.settled()
    expect(summary(published)).toEqual(expected)
  }
})

test('TRUNCATE makes clients refetch', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query('truncate pet')
  await feed.settled()
  expect(published.map(({ event }) => event)).toEqual([
    { verb: 'refetch', identity: 'pet', reason: 'truncate' },
    { verb: 'refetch', identity: 'user', reason: 'bulk' },
  ])
})

test('messages include origin and annotations of their transaction', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  await feed.start()
  await database.query(`
    begin;
    set local changefeed.origin = 'cron';
    set local changefeed.annotations = 'nightly';
    insert into pet (id, name) values (1, 'rex');
    commit;
    insert into pet (id, name) values (2, 'max')`)
  await feed.settled()
  expect(published.map(({ meta }) => [meta.origin, meta.annotations])).toEqual([
    ['cron', 'nightly'],
    [undefined, undefined],
  ])
})

test('incorrect use of a feed throws errors', async () => {
  const { database, feed: newFeed } = await openShop()
  const feed = newFeed()
  await expect(feed.settled()).rejects.toMatchObject({ code: 'E_STATE' })
  await expect(feed.start()).rejects.toMatchObject({ code: 'E_NOT_INSTALLED' })
  await feed.install()
  await feed.start()
  await expect(feed.start()).rejects.toMatchObject({ code: 'E_STATE' })
  expect(feed.status()).toMatchObject({ state: 'running', role: 'leader', models: ['user', 'pet'] })
  await feed.stop()
  expect(feed.status()).toMatchObject({ state: 'stopped', role: null })
  const wrong = (url: string) => newFeed({ connectionString: url }).start()
  await expect(wrong('postgres://127.0.0.1:1/none')).rejects.toMatchObject({ code: 'E_CONNECT' })
  await expect(wrong(database.connectionString.replace(database.name, 'nowhere'))).rejects.toMatchObject({
    code: 'E_CONNECT',
    message: expect.stringContaining('nowhere'),
  })
})

test('uninstall removes everything', async () => {
  const { database, feed: newFeed } = await openShop()
  const catalog = () =>
    database.query(`
      select 'trigger ' || tgname as it from pg_trigger where not tgisinternal
      union all select 'function ' || proname from pg_proc where pronamespace::regnamespace::text !~ '^(pg_|information)'
      union all select 'schema ' || nspname from pg_namespace
      order by 1`)
  const before = await catalog()
  const feed = newFeed()
  await feed.install()
  expect((await catalog()).length).toBeGreaterThan(before.length)
  await feed.uninstall()
  expect(await catalog()).toEqual(before)
})

test.each([
  ['the log renamed', 'alter table changefeed.change rename to elsewhere'],
  ['a function of ours dropped', 'drop function changefeed.slot_of'],
])('a manually damaged log (%s) makes writes fail until it is uninstalled', async (_name, damage) => {
  const { database, feed: newFeed } = await openMigratedShop()
  const feed = newFeed()
  await feed.install()
  await database.query(damage)
  await expect(database.query(`insert into pet (id, name) values (1, 'rex')`)).rejects.toMatchObject({
    code: expect.stringMatching(/^42/),
  })
  await feed.uninstall()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  expect(await database.query('select name from pet')).toEqual([{ name: 'rex' }])
})
