import { expect, test } from 'vitest'
import { createChangefeed } from '../../src/changefeed.ts'
import type { PublishedEvent } from '../../src/feed/events.ts'
import { testDatabase } from '../helpers/database.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'

const models = {
  user: { attributes: { name: { type: 'string' }, password: { type: 'string' }, pets: { collection: 'pet', via: 'owner' } } },
  pet: { attributes: { name: { type: 'string' }, owner: { model: 'user' } } },
}

async function startFeed(options = {}) {
  const database = await testDatabase()
  const { collections } = await startWaterline({ connectionString: database.connectionString, models, migrate: 'drop' })
  const published: PublishedEvent[] = []
  const feed = createChangefeed({
    connectionString: database.connectionString,
    collections,
    models: { user: { omit: ['password'] } },
    ...options,
  })
  feed.on('published', event => published.push(event))
  afterScope(() => feed.stop())
  await feed.install()
  await feed.start()
  return { database, collections, feed, published }
}

test.each(['changefeed', 'Odd "Sch'])('a raw SQL write is published (schema %s)', async schema => {
  const { database, feed, published } = await startFeed({ schema })
  await database.query(`insert into "user" (id, name, password) values (1, 'ada', 'secret')`)
  await database.query(`insert into pet (id, name, owner) values (7, 'rex', 1)`)
  await database.query(`update pet set name = 'max' where id = 7`)
  await database.query(`delete from pet`)
  await feed.settled()
  expect(published.map(({ call }) => [call.fn, call.identity, 'id' in call ? call.id : null])).toEqual([
    ['publishCreate', 'user', 1],
    ['publishCreate', 'pet', 7],
    ['publishUpdate', 'pet', 7],
    ['publishDestroy', 'pet', 7],
    ['publishRemove', 'user', 1],
  ])
  expect(JSON.stringify(published)).not.toContain('secret')
})
