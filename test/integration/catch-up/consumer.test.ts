import { getEventListeners } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Consumed, Consumer } from '../../../src/index.ts'
import { eventually } from '../../helpers/eventually.ts'
import { built, startCode } from '../../helpers/program.ts'
import { openInstalledShop, openMigratedShop } from '../feed/fixture.ts'

async function openLeader(options = {}) {
  const shop = await openInstalledShop()
  const feed = shop.feed({ publisher: { publish() {} }, ...options })
  await feed.start()
  return { ...shop, leader: feed, sql: (text: string) => shop.database.query(text) }
}

const line = (each: Consumed) =>
  `${each.operation} ${each.identity}${'record' in each && each.record ? ` ${each.record.id}` : ''}`

/** The next items, acknowledged. */
async function take(consumer: AsyncIterator<Consumed>, count: number): Promise<Consumed[]> {
  const items: Consumed[] = []
  while (items.length < count) {
    const { value, done } = await consumer.next()
    if (done) throw new Error(`ended after ${items.map(line)}`)
    items.push(value)
  }
  return items
}

async function takeAll(consumer: Consumer, count: number, { acknowledge = true } = {}): Promise<Consumed[]> {
  const items: Consumed[] = []
  for await (const item of consumer) {
    items.push(item)
    if (acknowledge) await consumer.acknowledge(item)
    if (items.length === count) break
  }
  return items
}

test('a consumer receives what was committed, in order, with what changed, and resumes where it acknowledged', async () => {
  const { sql, feed } = await openLeader()
  const own = feed()
  await sql(`insert into pet (id, name) values (1, 'before')`)
  const consumer = own.consume({ name: 'search', from: 'oldest' })
  const items = consumer[Symbol.asyncIterator]()
  const [before] = await take(items, 1)
  expect(before).toMatchObject({ operation: 'insert', identity: 'pet', record: { id: 1, name: 'before' } })
  await sql(`begin; select set_config('changefeed.origin', 'job 7', true); update pet set name = 'max'; commit`)
  await sql('delete from pet')
  const [updated, deleted] = await take(items, 2)
  expect(updated).toMatchObject({
    operation: 'update',
    record: { name: 'max' },
    previous: { name: 'before' },
    changed: ['name'],
    origin: 'job 7',
    cursor: expect.stringMatching(/^\w+\.\w+\.\w+\.\w+$/),
    at: expect.any(Number),
  })
  expect(deleted).toMatchObject({ operation: 'delete', previous: { id: 1 } })
  await consumer.acknowledge(updated)
  await items.return?.(undefined)
  const again = await takeAll(own.consume({ name: 'search' }), 1)
  expect(again).toEqual([deleted])
})

test('each consumer has a position of its own; one of some models receives no others', async () => {
  const { sql, feed } = await openLeader()
  const own = feed()
  const [all, users] = [own.consume({ name: 'all' }), own.consume({ name: 'users', models: ['user'] })]
  const reads = [all, users].map(consumer => consumer[Symbol.asyncIterator]())
  const first = reads.map(read => read.next())
  await eventually(async () => expect(await sql(`select name from changefeed.consumer where pid > 0`)).toHaveLength(2))
  await sql(`insert into pet (id, name) values (1, 'rex'); insert into "user" (id, name) values (1, 'ann')`)
  const [pet, user] = await Promise.all(first)
  expect([pet?.value, user?.value].map(item => line(item as Consumed))).toEqual(['insert pet 1', 'insert user 1'])
  for (const read of reads) await read.return?.(undefined)
})

test('batches hold what has been read, and one acknowledgement is for all of a batch', async () => {
  const { sql, feed } = await openLeader()
  await sql(`insert into pet (id, name) select n, 'pet' from generate_series(1, 2500) as n`)
  const consumer = feed().consume({ name: 'worker', from: 'oldest', batchSize: 400 })
  let received = 0
  for await (const batch of consumer.batches()) {
    expect(batch.length).toBeLessThanOrEqual(400)
    received += batch.length
    await consumer.acknowledge()
    if (received === 2500) break
  }
  const next = feed().consume({ name: 'worker' })[Symbol.asyncIterator]()
  const item = next.next()
  await sql(`update pet set name = 'last' where id = 1`)
  expect((await item).value).toMatchObject({ operation: 'update', record: { name: 'last' } })
  await next.return?.(undefined)
})

test('a consumer whose process is killed resumes behind what it acknowledged: none is lost, repeats carry the same cursor', async () => {
  const { sql, feed, database } = await openLeader()
  const code = `
    import { createChangefeed } from ${JSON.stringify(built('index.js'))}
    import { startPetShop } from ${JSON.stringify(fileURLToPath(new URL('../../helpers/waterline-program.mjs', import.meta.url)))}
    const connectionString = process.env.DATABASE_URL
    const feed = createChangefeed({ connectionString, collections: await startPetShop(connectionString) })
    const consumer = feed.consume({ name: 'worker', from: 'oldest', batchSize: 50 })
    for await (const batch of consumer.batches()) {
      for (const { record, cursor } of batch) console.log('item ' + JSON.stringify([record.id, cursor]))
      await consumer.acknowledge()
    }`
  const received = new Map<number, string>()
  let repeats = 0
  const read = (lines: readonly string[]) => {
    for (const text of lines.filter(each => each.startsWith('item '))) {
      const [id, cursor] = JSON.parse(text.slice(5)) as [number, string]
      if (received.has(id)) {
        repeats++
        expect(received.get(id)).toBe(cursor)
      }
      received.set(id, cursor)
    }
  }
  await sql(`insert into pet (id, name) select n, 'pet' from generate_series(1, 3000) as n`)
  for (let kill = 0; kill < 3; kill++) {
    const program = startCode(code, { DATABASE_URL: database.connectionString })
    const seen = () => program.lines.filter(each => each.startsWith('item ')).length
    await eventually(() => expect(seen()).toBeGreaterThan(60), { withinMs: 20_000, everyMs: 2 })
    program.kill('SIGKILL')
    await program.ended
    read(program.lines)
  }
  const left = feed().consume({ name: 'worker' })
  for await (const batch of left.batches()) {
    read(batch.map(each => `item ${JSON.stringify(['record' in each && each.record?.id, each.cursor])}`))
    await left.acknowledge()
    if (received.size === 3000) break
  }
  expect(received.size).toBe(3000)
  expect(repeats).toBeLessThan(3000)
}, 90_000)

test('of two processes of one name the second waits until the first has ended', async () => {
  const { sql, feed } = await openLeader()
  const first = feed().consume({ name: 'worker' })[Symbol.asyncIterator]()
  const held = first.next()
  await eventually(async () => expect(await sql(`select 1 from changefeed.consumer where pid > 0`)).toHaveLength(1))
  const second = feed().consume({ name: 'worker' })
  const waiting = takeAll(second, 1)
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  expect((await held).value).toMatchObject({ record: { id: 1 } })
  await first.return?.(undefined)
  expect((await waiting).map(line)).toEqual(['insert pet 1']) // the first acknowledged nothing
})

test('a lost connection is made again, and nothing that was handed over comes twice', async () => {
  const { sql, feed } = await openLeader()
  const items = feed().consume({ name: 'worker' })[Symbol.asyncIterator]()
  const first = items.next()
  await eventually(async () => expect(await sql(`select 1 from changefeed.consumer where pid > 0`)).toHaveLength(1))
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  expect((await first).value).toMatchObject({ record: { id: 1 } })
  await sql(`select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%consumer worker%'`)
  await sql(`insert into pet (id, name) values (2, 'max')`)
  expect((await items.next()).value).toMatchObject({ record: { id: 2 } })
  await items.return?.(undefined)
})

test('a consumer that holds more of the log than backlogLimitBytes receives a gap', async () => {
  const { sql, feed, leader } = await openLeader({ backlogLimitBytes: 400_000 })
  const consumer = feed().consume({ name: 'slow' })
  const items = consumer[Symbol.asyncIterator]()
  const first = items.next()
  await eventually(async () => expect(await sql(`select 1 from changefeed.consumer where pid > 0`)).toHaveLength(1))
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  await first
  await items.return?.(undefined)
  await sql(`insert into pet (id, name) select n, repeat('x', 200) from generate_series(2, 4000) as n`)
  await leader.settled()
  await eventually(
    async () => expect(await sql(`select gap from changefeed.consumer where name = 'slow'`)).toEqual([{ gap: 'gap' }]),
    { withinMs: 20_000 },
  )
  const gaps = await takeAll(feed().consume({ name: 'slow' }), 2)
  expect(gaps.map(each => [each.operation, each.identity]).sort()).toEqual([
    ['gap', 'pet'],
    ['gap', 'user'],
  ])
  const [stored] = await sql(`select gap from changefeed.consumer where name = 'slow'`)
  expect(stored).toEqual({ gap: null })
})

test('a consumer that is skipped while it reads receives a gap, or every change: never a hole', async () => {
  const { sql, feed, leader } = await openLeader({ backlogLimitBytes: 400_000 })
  const consumer = feed().consume({ name: 'slow', batchSize: 1 })
  const items = consumer[Symbol.asyncIterator]()
  const first = items.next()
  await eventually(async () => expect(await sql(`select 1 from changefeed.consumer where pid > 0`)).toHaveLength(1))
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  const held = (await first).value as Consumed
  await sql(`insert into pet (id, name) select n, repeat('x', 200) from generate_series(2, 4000) as n`)
  await leader.settled()
  const skipped = async () => expect(await sql(`select gap from changefeed.consumer`)).toContainEqual({ gap: 'gap' })
  await eventually(skipped, { withinMs: 20_000 })
  await consumer.acknowledge(held)
  await sql(`insert into pet (id, name) values (5000, 'last')`)
  const ids = new Set<unknown>([1])
  let hasGap = false
  for (;;) {
    const item = (await items.next()).value as Consumed
    if (item.operation === 'gap') hasGap ||= item.identity === 'pet'
    else ids.add(item.record?.id)
    if (ids.has(5000)) break
  }
  await items.return?.(undefined)
  expect(hasGap || ids.size === 4001).toBe(true)
}, 60_000)

test('a truncated table is one item', async () => {
  const { sql, feed } = await openLeader()
  const items = feed()
    .consume({ name: 'worker', models: ['pet'] })
    [Symbol.asyncIterator]()
  const first = items.next()
  await eventually(async () => expect(await sql(`select 1 from changefeed.consumer where pid > 0`)).toHaveLength(1))
  await sql('truncate pet')
  expect((await first).value).toMatchObject({ operation: 'truncate', identity: 'pet' })
  await items.return?.(undefined)
})

test('ends with its signal, and says what is wrong with its options', async () => {
  const { feed } = await openLeader()
  const own = feed()
  const stop = new AbortController()
  const consumer = own.consume({ name: 'worker', signal: stop.signal })
  const ended = takeAll(consumer, 1)
  stop.abort()
  expect(await ended).toEqual([])
  await expect(takeAll(consumer, 1)).rejects.toMatchObject({ code: 'E_STATE' })
  expect(() => own.consume({ name: 'publisher' })).toThrow(/`name` must not be 'publisher'/)
  expect(() => own.consume({ name: 'a b' })).toThrow(/`name` must be 1 to 63/)
  expect(() => own.consume({ name: 'a', models: ['fish'] })).toThrow(/`fish`.*It has: /)
  await expect(takeAll(own.consume({ name: 'late', from: 'yesterday' }), 1)).rejects.toMatchObject({ code: 'E_USAGE' })
})

test('without an installation it says what to run', async () => {
  const { feed } = await openMigratedShop()
  const other = feed({ schema: 'elsewhere' })
  await expect(takeAll(other.consume({ name: 'worker' }), 1)).rejects.toMatchObject({ code: 'E_NOT_INSTALLED' })
})

test('a consumer that has ended no longer listens to its signal', async () => {
  const { sql, leader } = await openLeader()
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  const { signal } = new AbortController()
  await takeAll(leader.consume({ name: 'worker', from: 'oldest', signal }), 1)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a consumer that reads while a new epoch begins receives a gap, and resumes in the new one', async () => {
  const { sql, feed, leader } = await openLeader()
  const consumer = feed().consume({ name: 'search', from: 'oldest' })
  const items = consumer[Symbol.asyncIterator]()
  await sql(`insert into pet (id, name) select n, 'rex' from generate_series(1, 3) as n`)
  const [first] = await take(items, 1)
  await leader.stop()
  await sql(`update changefeed.state set system_identifier = '1'`) // as a restore into another cluster leaves it
  await leader.start()
  await consumer.acknowledge(first).catch(() => {}) // a position of the former epoch
  const until = async (last: string) => {
    for (let item = ''; item !== last; ) item = (await take(items, 1)).map(line).join()
  }
  await until('gap pet')
  await sql(`insert into pet (id, name) values (9, 'max')`)
  await until('insert pet 9')
  await consumer.acknowledge()
  await items.return?.(undefined)
  await sql(`delete from pet where id = 9`)
  expect((await takeAll(feed().consume({ name: 'search' }), 1)).map(line)).toEqual(['delete pet'])
})
