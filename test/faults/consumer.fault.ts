import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { built, startCode } from '../helpers/program.ts'
import { openMigratedShop } from '../integration/feed/fixture.ts'

const CHANGES = 100_000
const WATERLINE = fileURLToPath(new URL('../helpers/waterline-program.mjs', import.meta.url))

const CONSUMER = `
  import { createChangefeed } from ${JSON.stringify(built('index.js'))}
  import { startPetShop } from ${JSON.stringify(WATERLINE)}
  const connectionString = process.env.DATABASE_URL
  const feed = createChangefeed({ connectionString, collections: await startPetShop(connectionString) })
  const consumer = feed.consume({ name: 'worker', from: 'oldest' })
  for await (const batch of consumer.batches()) {
    console.log('batch ' + JSON.stringify(batch.map(({ record, cursor }) => [record.id, cursor])))
    await consumer.acknowledge()
  }`

test('100,000 changes and three SIGKILLs: none is missing, and repeats carry the same cursor', async () => {
  const { database, feed: newFeed } = await openMigratedShop()
  const leader = newFeed({ publisher: { publish() {} } })
  await leader.install()
  await leader.start()
  await database.query(`insert into pet (id, name) select n, 'pet' from generate_series(1, ${CHANGES}) as n`)
  const received = new Map<number, string>()
  let repeats = 0
  for (let kill = 0; received.size < CHANGES; kill++) {
    const program = startCode(CONSUMER, { DATABASE_URL: database.connectionString })
    const batches = () => program.lines.filter(line => line.startsWith('batch '))
    const share = kill < 3 ? 5 + kill * 7 : Number.POSITIVE_INFINITY
    await eventually(
      () => {
        const seen = batches().length
        const isDone = new Set([...received.keys(), ...batches().flatMap(idsIn)]).size === CHANGES
        expect(isDone || seen >= share).toBe(true)
      },
      { withinMs: 120_000, everyMs: kill < 3 ? 2 : 500 },
    )
    program.kill('SIGKILL')
    await program.ended
    for (const [id, cursor] of batches().flatMap(itemsIn)) {
      if (received.has(id)) {
        repeats++
        expect(received.get(id)).toBe(cursor)
      }
      received.set(id, cursor)
    }
  }
  expect(received.size).toBe(CHANGES)
  console.log(`${repeats} changes came again`)
}, 600_000)

const itemsIn = (line: string): [number, string][] => JSON.parse(line.slice('batch '.length))
const idsIn = (line: string): number[] => itemsIn(line).map(([id]) => id)
