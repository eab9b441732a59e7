import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { afterScope } from '../../helpers/scope.ts'
import { openShop } from '../feed/fixture.ts'
import { example } from './examples.ts'

test('the roles of the page on security can install, and run a listener, with the rights that it names', async () => {
  const shop = await openShop()
  const { database } = shop
  const suffix = randomBytes(4).toString('hex') // roles belong to the server, which other tests use too
  const ours = (sql: string) =>
    sql
      .replace(/\bchangefeed_(owner|installer)\b/g, `changefeed_$1_${suffix}`)
      .replace('on database app', `on database ${database.name}`)
  afterScope(async () => {
    const [owner, installer] = ['changefeed_owner', 'changefeed_installer'].map(ours)
    await database.query(`drop owned by ${owner} cascade; drop role ${installer}; drop role ${owner}`)
  })
  await database.query(ours(await example('installer')))
  const url = new URL(database.connectionString)
  url.username = ours('changefeed_installer')
  url.password = '...'
  await shop.feed({ connectionString: url.href }).install()

  const listener = await database.role()
  const grants = (await example('grants')).replaceAll(/\blistener\b/g, listener.name)
  await database.query(grants)
  const statements = grants.split(';').flatMap(statement => statement.trim() || [])
  const printed = shop.feed().grants(listener.name)
  expect(printed.map(statement => statement.replaceAll('"', ''))).toEqual(expect.arrayContaining(statements))
  const options = { connectionString: listener.connectionString, schemaOwner: ours('changefeed_owner') }
  const feed = shop.feed(options)
  await feed.start()
  await database.query(`insert into pet (name) values ('rex')`)
  await feed.settled()
  expect(shop.published.map(({ event }) => event.verb)).toEqual(['created'])
  await feed.stop()
})
