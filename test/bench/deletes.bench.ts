import { test } from 'vitest'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { openShop } from '../feed/fixture.ts'
import { testDatabase } from '../helpers/database.ts'
import { afterScope } from '../helpers/scope.ts'

const via = { collection: 'toy', via: 'a' }

/** Users with three collections, whose rows refer to them. */
const models = {
  user: {
    attributes: {
      name: { type: 'string' },
      as: via,
      bs: { collection: 'toy', via: 'b' },
      cs: { collection: 'toy', via: 'c' },
    },
  },
  toy: { attributes: { a: { model: 'user' }, b: { model: 'user' }, c: { model: 'user' } } },
}

const CASES = [
  { title: '2,000 records with 3 indexed collections', users: 2_000, toys: 6_000, indexed: true },
  { title: '300 records beside 200,000 rows without an index', users: 300, toys: 200_000, indexed: false },
]

test.each(CASES)('deleting $title', async ({ title, users, toys, indexed }) => {
  const server = await startEmbeddedPostgres()
  afterScope(() => server.stop('immediate'))
  const shop = await openShop(await testDatabase({ server }), { models })
  const feed = shop.feed()
  await feed.install()
  await shop.database.query(`insert into "user" (id, name) select n, 'user' from generate_series(1, ${users}) as n`)
  await shop.database.query(
    `insert into toy (a, b, c) select n % ${users * 20}, n % ${users * 20}, n % ${users * 20} from generate_series(1, ${toys}) as n`,
  )
  if (indexed) for (const name of ['a', 'b', 'c']) await shop.database.query(`create index on toy (${name})`)
  await shop.database.query('analyze')
  await feed.start()
  await feed.settled()
  await shop.database.query('delete from "user"')
  const startedAt = performance.now()
  await feed.settled()
  console.log(`${title}: published ${((performance.now() - startedAt) / 1e3).toFixed(2)} s after the commit`)
})
