import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { ownServer, type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { built, startCode, type TestProgram } from '../../helpers/program.ts'
import { openInstalledShop, openShop, type Published, type Shop } from './fixture.ts'

/** A feed in a separate process, which prints each event after publishing it. */
function startPublisher({ database }: Shop): TestProgram {
  const waterline = new URL('../../helpers/waterline-program.mjs', import.meta.url)
  return startCode(
    `
    import { writeSync } from 'node:fs'
    import { createChangefeed } from ${JSON.stringify(built('index.js'))}
    import { startPetShop } from ${JSON.stringify(fileURLToPath(waterline))}
    const collections = await startPetShop(process.env.URL)
    const publisher = { publish: (event, meta) => void writeSync(1, JSON.stringify({ event, meta }) + '\\n') }
    const feed = createChangefeed({ connectionString: process.env.URL, collections, publisher })
    await feed.start()
    writeSync(1, 'started\\n')`,
    { URL: database.connectionString },
  )
}

const publishedBy = ({ lines }: TestProgram) =>
  lines.filter(line => line.startsWith('{"event"')).map(line => JSON.parse(line) as Published)

/** Asserts that every row was published, and that duplicates have the same cursor and content. */
function expectAllOnceOrAgain(published: readonly Published[], count: number) {
  const byId = new Map<unknown, string>()
  for (const { event, meta } of published) {
    const text = `${meta.cursor} ${JSON.stringify(event)}`
    const id = 'id' in event ? event.id : null
    expect(byId.get(id) ?? text).toBe(text)
    byId.set(id, text)
  }
  expect([...byId.keys()].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: count }, (_, i) => i + 1))
}

const repeats = (published: readonly Published[], event: RecordEvent) =>
  published.some(other => isDeepStrictEqual(other.event, event))

/** Writes rows one at a time until `stop`. Resolves with their number. */
function keepWriting(database: TestDatabase) {
  let count = 0
  let going = true
  const done = (async () => {
    const client = await database.connect()
    while (going) await client.query(`insert into pet (id, name) values (${++count}, 'pet')`)
    return count
  })()
  return {
    stop: () => {
      going = false
      return done
    },
    reached: (rows: number) => eventually(() => expect(count).toBeGreaterThanOrEqual(rows), { withinMs: 20_000 }),
  }
}

test('repeated kills between reading and storing lose nothing, and duplicates have the same cursor', async () => {
  const shop = await openInstalledShop()
  const writing = keepWriting(shop.database)
  const published: Published[] = []
  for (let life = 1; life <= 3; life++) {
    const program = startPublisher(shop)
    await program.line(/^started/)
    await writing.reached(life * 300)
    await eventually(() => expect(publishedBy(program).length).toBeGreaterThan(10))
    program.kill('SIGKILL')
    await program.ended
    published.push(...publishedBy(program))
  }
  const count = await writing.stop()
  const survivor = shop.feed({ publisher: { publish: (event, meta) => void published.push({ event, meta }) } })
  await survivor.start()
  await survivor.settled()
  expectAllOnceOrAgain(published, count)
}, 90_000)

test('terminated backends under load: the feed reconnects and loses nothing', async () => {
  const shop = await openInstalledShop()
  const feed = shop.feed()
  await feed.start()
  const writing = keepWriting(shop.database)
  for (const part of ['reader', 'listener', 'gate', '%']) {
    await writing.reached(50)
    const reconnected = new Promise(resolve => feed.once('connected', () => resolve(true)))
    const ended = await shop.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'waterline-changefeed ' || $1`,
      [part],
    )
    expect(ended.length, part).toBeGreaterThan(0)
    await reconnected
  }
  const count = await writing.stop()
  await feed.settled()
  expectAllOnceOrAgain(shop.published, count)
})

test.each(['fast', 'immediate'] as const)('a server restart (%s) loses nothing', async mode => {
  const server = await ownServer({ fsync: 'on' })
  const shop = await openShop(await testDatabase({ server }))
  const feed = shop.feed()
  await feed.install()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) select id, 'pet' from generate_series(1, 100) as id`)
  await eventually(() => expect(shop.published.length).toBeGreaterThan(0))
  const reconnected = new Promise(resolve => feed.once('connected', () => resolve(true)))
  await server.restart(mode)
  const client = await shop.database.connect()
  await client.query(`insert into pet (id, name) select id, 'pet' from generate_series(101, 200) as id`)
  await reconnected
  await feed.settled()
  // A crash may lose ticks that were published. Their changes are published again behind a gap, with other cursors.
  const gap = shop.published.findIndex(({ event }) => event.verb === 'refetch')
  const events = mode === 'fast' ? shop.published : shop.published.filter(({ event }) => event.verb !== 'refetch')
  const [before, after] = gap < 0 ? [[], events] : [events.slice(0, gap), events.slice(gap)]
  expect(before.length).toBeLessThanOrEqual(100)
  expectAllOnceOrAgain([...before.filter(({ event }) => !repeats(after, event)), ...after], 200)
})
