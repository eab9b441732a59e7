import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { testDatabase } from '../helpers/database.ts'
import { afterScope } from '../helpers/scope.ts'
import { openShop } from '../integration/feed/fixture.ts'
import { bench } from './report/bench.ts'
import { figuresOf } from './report/figure.ts'
import { sized } from './report/size.ts'

const CHANGES = sized(100_000, 10_000)
const ROUNDS = sized(3, 1)

/** How fast a named consumer reads what is in the change log, in batches and one by one, acknowledged each time. */
bench('changes that a consumer reads and acknowledges a second', async ({ report }) => {
  const server = await startEmbeddedPostgres()
  afterScope(() => server.stop('immediate'))
  const shop = await openShop(await testDatabase({ server }))
  const feed = shop.feed({ publisher: { publish() {} } })
  await feed.install()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) select n, 'pet' from generate_series(1, ${CHANGES}) as n`)
  await feed.settled()
  const rates: Record<string, number[]> = {
    'batches of 1,000, each acknowledged': [],
    'one by one, acknowledged by 1,000': [],
  }
  for (let round = 0; round < ROUNDS; round++) {
    rates['batches of 1,000, each acknowledged']?.push(
      await rateOf(async () => {
        const consumer = feed.consume({ name: `batches-${round}`, from: 'oldest' })
        let received = 0
        for await (const batch of consumer.batches()) {
          received += batch.length
          await consumer.acknowledge()
          if (received === CHANGES) break
        }
      }),
    )
    rates['one by one, acknowledged by 1,000']?.push(
      await rateOf(async () => {
        const consumer = feed.consume({ name: `single-${round}`, from: 'oldest' })
        let received = 0
        for await (const change of consumer) {
          if (++received % 1_000 === 0) await consumer.acknowledge(change)
          if (received === CHANGES) break
        }
      }),
    )
  }
  report({ title: 'Named consumers', figures: figuresOf('changes/s', `${CHANGES} changes`, rates) })
})

async function rateOf(read: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await read()
  return CHANGES / ((performance.now() - started) / 1_000)
}
