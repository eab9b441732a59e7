import { test } from 'vitest'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { testDatabase } from '../helpers/database.ts'
import { afterScope } from '../helpers/scope.ts'
import { openShop } from '../integration/feed/fixture.ts'

const CHANGES = 100_000
const ROUNDS = 3

/** How fast a named consumer reads what is in the change log, in batches and one by one, acknowledged each time. */
test('changes that a consumer reads and acknowledges a second', async () => {
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
  console.table(
    Object.fromEntries(Object.entries(rates).map(([name, all]) => [name, { 'changes/s': median(all).toFixed(0) }])),
  )
}, 600_000)

async function rateOf(read: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await read()
  return CHANGES / ((performance.now() - started) / 1_000)
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
