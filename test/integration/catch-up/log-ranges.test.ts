import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type GapReason, LogRanges, type WantedRange } from '../../../src/catch-up/log-ranges.ts'
import { type Cursor, parseCursor } from '../../../src/change-log/cursor.ts'
import { createChangefeed } from '../../../src/changefeed.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import type { Models } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { type ChangefeedOptions, parseOptions } from '../../../src/options.ts'
import { pauseModels, resumeModels } from '../../../src/pipeline/pauses.ts'
import type { MessageMeta, RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { type SentEvent, sentEvent } from '../../../src/publish/socketio/sent-event.ts'
import { eventLoopTurn } from '../../../src/publish/time-slice.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { installedDatabase, migratedDatabase } from '../feed/fixture.ts'
import { ClientCopy, tableContents } from '../invariants/client-copy.ts'
import { models, RECORDS, randomOf, seeds, writesOf } from '../invariants/collection-writes.ts'
import { definitions, serve } from '../realtime/realtime-app.ts'

const recordEvents = new WeakMap<SentEvent, RecordEvent>()

const sendingOf = (known: Models) => (event: RecordEvent, meta: MessageMeta) => {
  const sent = sentEvent(event, meta, { models: known, leftOut: () => [] })
  recordEvents.set(sent, event)
  return sent
}

interface Limits {
  readonly memoryBytes?: number
  readonly maxMessages?: number
}

/** A live feed that records what it sends, and ranges of its log. */
async function openWorld(options: Partial<ChangefeedOptions> = {}) {
  const database = await installedDatabase('collections', models)
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models })
  const known = readModels(collections)
  const sentBy = sendingOf(known)
  const live: SentEvent[] = []
  const publisher = { publish: (event: RecordEvent, meta: MessageMeta) => void live.push(sentBy(event, meta)) }
  const all = { connectionString, collections, publisher, ...options }
  const feed = createChangefeed(all)
  afterScope(() => feed.stop())
  const db = openDatabase({ connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const ranges = ({ memoryBytes = 32 * 2 ** 20, maxMessages = 10_000 }: Limits = {}) => {
    const parts = { db, settings: parseOptions(all), models: known, sentBy, concurrentReads: 2, onRange() {} }
    const made = new LogRanges({ ...parts, memoryBytes, maxMessages })
    afterScope(() => made.close())
    return made
  }
  /** Each in a tick of its own. */
  const write = async (...statements: string[]) => {
    for (const statement of statements) {
      await database.query(statement)
      await feed.settled()
    }
  }
  /** Another node, with what it sends. */
  const another = () => {
    const heard: SentEvent[] = []
    const own = { publish: (event: RecordEvent, meta: MessageMeta) => void heard.push(sentBy(event, meta)) }
    const other = createChangefeed({ ...all, publisher: own })
    afterScope(() => other.stop())
    return { feed: other, live: heard }
  }
  return { database, collections, known, feed, live, db, ranges, write, another }
}

type World = Awaited<ReturnType<typeof openWorld>>

function* present(events: Iterable<SentEvent | undefined>): Generator<SentEvent> {
  for (const event of events) {
    if (!event) throw new Error('The rest was freed.')
    yield event
  }
}

async function collect(ranges: LogRanges, range: WantedRange) {
  const [sent, gaps]: [SentEvent[], string[]] = [[], []]
  for await (const chunk of ranges.read(range)) {
    sent.push(...present(chunk.sent))
    for (const { reason, identities } of chunk.gaps) gaps.push(`${reason} ${[...identities].sort().join(' ')}`)
  }
  return { sent, gaps }
}

/** For long lists: `toEqual` takes many times as long, and is only needed to judge and show a difference. */
function expectSame(sent: readonly SentEvent[], expected: readonly SentEvent[], cursor: string) {
  if (!isDeepStrictEqual(sent, expected)) expect(sent, cursor).toEqual(expected)
}

/** What concerns a socket in one room. */
async function concerning(ranges: LogRanges, range: WantedRange, room: string): Promise<SentEvent[]> {
  const sent: SentEvent[] = []
  for await (const chunk of ranges.read(range)) sent.push(...present(chunk.sentTo(new Set([room]))))
  return sent
}

const TRIGGER = `
  create function shout() returns trigger language plpgsql as $$ begin
    update taxi set name = upper(name) where id = new.id and name <> upper(name); return null;
  end $$;
  create trigger a_shout after insert or update on taxi for each row execute function shout()`

/** Everything that a rule or a mapping looks at; what a query answers does not change afterwards. */
async function writeVaried({ write, collections, feed, database }: World) {
  await write(
    `insert into owner (id, name) values (1, 'ann'), (2, 'bob')`,
    `insert into pet (id, name, owner) values (1, 'rex', 1), (2, 'max', 1), (3, 'ivy', 2), (4, 'leo', null)`,
    `update pet set owner = 2 where id = 2`,
    `begin; insert into pet (id, name) values (90, 'lost'); rollback`,
    `begin; insert into owner (id, name) values (3, 'cy'); savepoint a; insert into pet (id, name, owner) values (91, 'lost', 3);
       rollback to a; insert into pet (id, name, owner) values (5, 'kept', 3); commit`,
    `delete from owner where id = 2`, // cascades to its pets
    `insert into student (id, name) values (1, 'sue'), (2, 'tim'); insert into course (id, name) select n, 'c' from generate_series(1, 9) n`,
    `insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1), (1, 2), (7, 2)`,
    // Members and links before the records that they belong to.
    `begin; insert into pet (id, name, owner) values (6, 'early', 4); insert into owner (id, name) values (4, 'dee');
       insert into course_students__student_courses (course_students, student_courses) values (8, 3);
       insert into student (id, name) values (3, 'ulf'); commit`,
    `insert into driver (id, name) values (1, 'd'); insert into taxi (id, name) values (1, 't'), (2, 't')`,
    `insert into venue (driver, taxi) values (1, 1), (1, 2)`,
    `delete from venue where taxi = 2`,
    `delete from student where id = 2`, // its links stay
    `update course set id = 70 where id = 7`,
    `insert into book (id, name) select n, 'a book' from generate_series(1, 1300) n`,
    `begin; select set_config('changefeed.origin', 'job 7', true), set_config('changefeed.annotations', 'nightly', true);
       update book set name = 'read' where id < 700; delete from book where id > 1290; commit`,
    'truncate author',
    `insert into author (id, name) values (1, 'joe')`,
  )
  await collections.student.replaceCollection(1, 'courses').members([2, 3, 4])
  await collections.author.replaceCollection(1, 'favorites').members([1, 2])
  await feed.settled()
  await Promise.all([5, 6, 7].map(id => database.query(`insert into author (id, name) values (${id}, 'a')`)))
  await feed.settled()
}

test('a range has the events that were sent live, from every cursor on', async () => {
  const world = await openWorld()
  const { database, feed, live, ranges, write } = world
  await database.query(
    `${TRIGGER}; alter table pet add foreign key (owner) references owner on delete cascade deferrable initially deferred`,
  )
  await feed.start()
  const start = await feed.cursor()
  await writeVaried(world)
  expect(live.length).toBeGreaterThan(2_000)
  expect(live.filter(({ steps }) => steps.some(step => step.do === 'refetch')).length).toBeGreaterThan(0)
  const own = ranges()
  expect(await collect(own, { after: parseCursor(start) })).toEqual({ sent: live, gaps: [] })
  const cursors = [...new Set(live.map(({ cursor }) => cursor))]
  const some = cursors.filter((_, place) => place % 25 === 0 || place < 60)
  for (const cursor of some) {
    const from = live.findLastIndex(sent => sent.cursor === cursor) + 1
    expectSame((await collect(own, { after: parseCursor(cursor) })).sent, live.slice(from), cursor)
  }
  expect(await concerning(own, { after: parseCursor(start) }, recordRoom('book', 7))).toEqual(
    live.filter(({ steps }) => /"emit","rooms":\["sails_model_book_7:|"refetch"/.test(JSON.stringify(steps))),
  )
  expect(own.reads).toBeLessThanOrEqual(2) // tick ids skip ahead with a new leader, maybe after `start`
  // From the middle of the longest tick, with nothing read before.
  const middle = cursors[Math.floor(cursors.length / 2)] as string
  const after = parseCursor(middle)
  expect(cursors.filter(cursor => parseCursor(cursor).tick === after.tick).length).toBeGreaterThan(500)
  const { sent } = await collect(ranges(), { after })
  expect(sent).toEqual(live.slice(live.findLastIndex(({ cursor }) => cursor === middle) + 1))
  await write(`insert into owner (id, name) values (50, 'later')`)
  expect((await collect(own, { after })).sent).toEqual([...sent, live.at(-1)])
}, 120_000)

test('a range ends at a cursor, and begins at one if that is asked for', async () => {
  const world = await openWorld()
  const { feed, live, ranges, write } = world
  await feed.start()
  await write(`insert into owner (id, name) values (1, 'ann')`)
  await write(`insert into pet (id, name, owner) values (1, 'rex', 1), (2, 'max', 1)`, `delete from pet where id = 1`)
  const places = live.map(({ cursor }) => cursor)
  const own = ranges()
  for (const [from, cursor] of places.entries()) {
    for (const end of places.slice(from)) {
      const range = { after: parseCursor(cursor), until: parseCursor(end), inclusive: true }
      const expected = live.slice(places.indexOf(cursor), places.lastIndexOf(end) + 1)
      expect((await collect(own, range)).sent).toEqual(expected)
    }
  }
  const [first, last] = [places[0], places.at(-1)] as [string, string]
  expect((await collect(own, { after: parseCursor(last), until: parseCursor(first) })).sent).toEqual([])
})

test('populated records are those of the app, as in live messages', async () => {
  const world = await openWorld({ populate: true, compatibility: true })
  const { feed, live, ranges, write } = world
  await feed.start()
  const start = await feed.cursor()
  await write(
    `begin; insert into owner (id, name) values (1, 'ann'); insert into pet (id, name, owner) values (1, 'rex', 1); commit`,
    `begin; insert into student (id, name) values (1, 'sue'); insert into course (id, name) values (1, 'art'), (2, 'bio');
      insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1);
      update course set name = 'art history' where id = 1; commit`,
  )
  expect(JSON.stringify(live)).toContain('"pets":[{')
  expect((await collect(ranges(), { after: parseCursor(start) })).sent).toEqual(live)
})

test.each(seeds)(
  'a client that applies a range ends on the state of the tables: seed %i',
  async seed => {
    const random = randomOf(seed + 1_000)
    const { database, known, feed, ranges } = await openWorld()
    for (const table of RECORDS)
      await database.query(`insert into ${table} (id, name) values (1, 'a'), (2, 'b'), (3, 'c')`)
    await feed.start()
    const own = ranges()
    const clients: { copy: ClientCopy; cursor: string }[] = []
    for (let step = 0; step < 60; step++) {
      if (step % 15 === 0) {
        await feed.settled()
        const copy = new ClientCopy(database, known)
        await copy.read()
        clients.push({ copy, cursor: await feed.cursor() })
      }
      for (const statements of writesOf(random)) await database.query(['begin', ...statements, 'commit'].join(';'))
      if (random.chance(0.2)) await feed.settled()
    }
    await feed.settled()
    const expected = await tableContents(database, known)
    for (const { copy, cursor } of clients) {
      const { sent, gaps } = await collect(own, { after: parseCursor(cursor) })
      expect(gaps).toEqual([])
      for (const each of sent) await copy.hear(recordEvents.get(each) as RecordEvent)
      expect(copy.contents).toEqual(expected)
    }
  },
  60_000,
)

test.each(['local', 'leader'] as const)(
  'a cursor of one node begins a range on another, after a change of leader: publish %s',
  async publish => {
    const world = await openWorld({ publish })
    const { database, feed, live, ranges, another } = world
    await feed.start()
    const second = another()
    await second.feed.start()
    expect([feed.status().role, second.feed.status().role]).toEqual([
      'leader',
      publish === 'local' ? 'follower' : 'standby',
    ])
    const insert = async (of: typeof feed, first: number) => {
      for (let n = first; n < first + 5; n++) await database.query(`insert into owner (id, name) values (${n}, 'o')`)
      await of.settled()
      if (publish === 'local') await second.feed.settled()
    }
    await insert(feed, 1)
    await feed.stop()
    await eventually(() => expect(second.feed.status().role).toBe('leader'), { withinMs: 15_000 })
    await insert(second.feed, 6)
    const all = publish === 'local' ? second.live : [...live, ...second.live]
    expect(all).toHaveLength(10)
    if (publish === 'local') expect(live).toEqual(all.slice(0, 5))
    const own = ranges()
    for (const [place, { cursor }] of all.entries()) {
      expect(await collect(own, { after: parseCursor(cursor) })).toEqual({ sent: all.slice(place + 1), gaps: [] })
    }
  },
)

const everyModel = [...Object.keys(models), 'archive'].sort().join(' ')

test('a cursor that is older than the log, or of another history, yields a gap of all models', async () => {
  const world = await openWorld()
  const { database, feed, live, ranges, write } = world
  await feed.start()
  await write(`insert into owner (id, name) values (1, 'a')`, `insert into owner (id, name) values (2, 'b')`)
  const own = ranges()
  const [first, second] = live.map(({ cursor }) => parseCursor(cursor)) as [Cursor, Cursor]
  const gapAfter = async (after: Cursor, reason: GapReason) =>
    expect(await collect(own, { after })).toEqual({ sent: [], gaps: [`${reason} ${everyModel}`] })
  await gapAfter({ ...second, epoch: second.epoch + 1 }, 'otherEpoch')
  await gapAfter({ ...second, tick: second.tick + 1_000n }, 'otherEpoch')
  await database.query('update changefeed.state set oldest_tick = $1', [String(first.tick)])
  await gapAfter(first, 'tooOld')
  expect((await collect(own, { after: { ...first, seq: 2n ** 63n - 1n } })).sent).toEqual(live.slice(1))
})

test('a model with too many events yields a gap; the events of other models are complete', async () => {
  const world = await openWorld()
  const { feed, live, ranges, write } = world
  await feed.start()
  const after = parseCursor(await feed.cursor())
  await write(
    `insert into owner (id, name) values (1, 'a')`,
    `insert into book (id, name) select n, 'a book' from generate_series(1, 3000) n`,
    `insert into pet (id, name, owner) values (1, 'rex', 1)`,
  )
  const small = ranges({ memoryBytes: 200_000 })
  const { sent, gaps } = await collect(small, { after })
  expect(gaps).toEqual(['tooMuch book'])
  const isOfBooks = ({ steps }: SentEvent) => JSON.stringify(steps).includes('_book')
  expect(sent.length).toBeLessThan(200)
  expect(sent.filter(each => !isOfBooks(each))).toEqual(live.filter(each => !isOfBooks(each)))
  expect(small.bytes).toBeLessThan(200_000)
  expect((await collect(ranges({ maxMessages: 100 }), { after })).gaps).toEqual([`tooMuch ${everyModel}`])
})

test('many who ask at once share one read, and the cache is bounded', async () => {
  const world = await openWorld()
  const { feed, live, ranges, write } = world
  await feed.start()
  const start = await feed.cursor()
  for (let n = 1; n <= 150; n++) await write(`insert into owner (id, name) values (${n}, repeat('x', 500))`)
  const own = ranges({ memoryBytes: 100_000 })
  const cursors = [start, ...live.slice(0, 99).map(({ cursor }) => cursor)]
  const results = await Promise.all(cursors.map(cursor => collect(own, { after: parseCursor(cursor) })))
  for (const [place, { sent, gaps }] of results.entries()) {
    expect(gaps.filter(gap => !gap.startsWith('tooMuch owner'))).toEqual([])
    if (gaps.length === 0) expect(sent).toEqual(live.slice(place))
  }
  expect(own.reads).toBeLessThan(10)
  expect(own.bytes).toBeLessThanOrEqual(100_000)
  const roomy = ranges()
  const shared = await Promise.all(cursors.map(cursor => collect(roomy, { after: parseCursor(cursor) })))
  expect(shared.map(({ sent }) => sent.length)).toEqual(cursors.map((_, place) => live.length - place))
  expect(roomy.reads).toBeLessThanOrEqual(4) // one for each segment of ticks
}, 60_000)

/** Collects garbage. */
function collectGarbage() {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

test('what leaves the cache is freed, however many slow readers have not taken it', async () => {
  const { feed, ranges, write } = await openWorld()
  await feed.install()
  const starts: string[] = []
  for (let term = 0; term < 12; term++) {
    await feed.start() // the ids of its ticks begin a segment
    await feed.settled()
    starts.push(await feed.cursor())
    await write(`insert into owner (id, name) select ${term * 50} + n, repeat('x', 300) from generate_series(1, 50) n`)
    await feed.stop()
  }
  const own = ranges({ memoryBytes: 200_000 })
  const events: { readonly event: WeakRef<SentEvent>; readonly bytes: number }[] = []
  const slow: Iterator<SentEvent | undefined>[] = []
  for (const start of starts) {
    for await (const { sent, sentTo, gaps } of own.read({ after: parseCursor(start) })) {
      expect(gaps).toEqual([])
      const left = sentTo(new Set([classRoom('owner')]))[Symbol.iterator]()
      left.next()
      slow.push(left)
      for (const event of present(sent)) events.push({ event: new WeakRef(event), bytes: JSON.stringify(event).length })
      break
    }
  }
  expect(slow).toHaveLength(12)
  await eventLoopTurn() // a WeakRef holds its object until then
  collectGarbage()
  const held = events.filter(({ event }) => event.deref()).reduce((sum, { bytes }) => sum + bytes, 0)
  expect(events.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThan(300_000)
  expect(held).toBeLessThan(200_000)
  expect(slow.map(left => left.next().value === undefined).filter(isOver => isOver).length).toBeGreaterThan(5)
}, 60_000)

test('a paused model, and one that was resumed since, yields a gap', async () => {
  const world = await openWorld()
  const { database, feed, live, ranges, db, write } = world
  await feed.start()
  const after = parseCursor(await feed.cursor())
  await write(`insert into pet (id, name) values (1, 'before')`)
  await pauseModels(db, ['pet'])
  await write(`insert into owner (id, name) values (1, 'ann')`, `insert into pet (id, name) values (2, 'withheld')`)
  await write(`insert into book (id, name) values (1, 'shown')`)
  const own = ranges()
  const books = live.filter(({ steps }) => JSON.stringify(steps).includes('_book'))
  expect(await collect(own, { after })).toEqual({ sent: books, gaps: ['declared owner pet'] })
  const gap = eventOf(feed, 'gap')
  await resumeModels(db, ['pet'])
  await gap
  expect(await collect(own, { after })).toEqual({ sent: books, gaps: ['declared owner pet'] })
  await database.query(`update changefeed.pause set resumed_at = resumed_at - interval '1 minute'`)
  await write(`insert into pet (id, name) values (3, 'resumed')`, `insert into pet (id, name) values (4, 'last')`)
  const last = live.slice(-1)
  const before = parseCursor(live.at(-2)?.cursor ?? '')
  expect(await collect(own, { after: before })).toEqual({ sent: last, gaps: [] })
})

test('a model whose columns were altered yields a gap, as the log does not show the rewritten rows', async () => {
  const world = await openWorld()
  const { database, feed, live, ranges, write } = world
  await feed.start()
  await write(`insert into pet (id, name) values (1, 'rex')`, `insert into owner (id, name) values (1, 'ann')`)
  const own = ranges()
  const before = parseCursor(live[0]?.cursor ?? '')
  expect(await collect(own, { after: before })).toEqual({ sent: live.slice(1), gaps: [] })
  await database.query(`alter table pet add column age int default 3`)
  expect(await collect(own, { after: before })).toEqual({ sent: [], gaps: ['declared owner pet'] })
  await write(`insert into book (id, name) values (1, 'a')`, `insert into book (id, name) values (2, 'b')`)
  const after = parseCursor(live.at(-1)?.cursor ?? '')
  await write(`insert into pet (id, name) values (2, 'max')`)
  expect(await collect(own, { after: before })).toMatchObject({ gaps: ['declared owner pet'] })
  expect(await collect(own, { after })).toEqual({ sent: live.slice(-1), gaps: [] })
})

test('a lost connection is made again while ranges are read', async () => {
  const world = await openWorld()
  const { database, feed, live, ranges, write } = world
  await feed.start()
  const after = parseCursor(await feed.cursor())
  await write(`insert into book (id, name) select n, 'a book' from generate_series(1, 3000) n`)
  await write(`insert into pet (id, name) values (1, 'rex')`)
  const own = ranges()
  const reading = Array.from({ length: 5 }, () => collect(own, { after }))
  const lost = () =>
    database.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name in ('test', 'waterline-changefeed catch-up reader')`)
  await eventually(async () => expect(await lost()).not.toEqual([]))
  for (const { sent, gaps } of await Promise.all(reading)) {
    expect(gaps).toEqual([])
    expect(sent).toEqual(live)
  }
})

test('changes that could not be captured are the refetch that was sent live', async () => {
  const world = await openWorld()
  const { database, feed, live, ranges, write } = world
  await feed.start()
  const after = parseCursor(await feed.cursor())
  await write(`insert into pet (id, name) values (1, 'rex')`)
  await database.query('alter table pet disable trigger user')
  await database.query(`insert into pet (id, name) values (2, 'unseen')`)
  const gap = eventOf(feed, 'gap', { withinMs: 20_000 })
  await gap
  await write(`insert into pet (id, name) values (3, 'max')`)
  expect(live.some(({ steps }) => steps[0]?.do === 'refetch')).toBe(true)
  expect((await collect(ranges(), { after })).sent).toEqual(live)
})

test('a range has no attribute that clients may not see, as live messages', async () => {
  const { connectionString } = await migratedDatabase()
  const { collections } = await startWaterline({ connectionString, models: definitions, migrate: 'drop' })
  const { realtime, connect } = await serve({ collections, models: { account: { omit: ['note'] } } })
  const options = { connectionString, collections, publisher: realtime.publisher }
  const feed = createChangefeed(options)
  afterScope(() => feed.stop())
  await feed.install()
  await feed.start()
  const client = await connect()
  expect((await client.get('/account')).statusCode).toBe(200)
  const after = parseCursor(await feed.cursor())
  await collections.account.create({ email: 'a@b', password: 'secret 1', ssn: 'secret 2', note: 'secret 3' })
  await collections.account.update({ email: 'a@b' }).set({ note: 'secret 4', email: 'c@d' })
  await collections.account.destroy({ email: 'c@d' })
  await feed.settled()
  const live = await client.received()
  expect(live).toHaveLength(3)
  expect(live.join()).not.toContain('secret')
  const db = openDatabase({ connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const ranges = new LogRanges({
    db,
    settings: parseOptions(options),
    models: readModels(collections),
    sentBy: (event, meta) => realtime.publisher.sent?.(event, meta) as SentEvent,
    concurrentReads: 1,
    memoryBytes: 1e6,
    maxMessages: 100,
    onRange: () => {},
  })
  afterScope(() => ranges.close())
  const { sent } = await collect(ranges, { after })
  const messages = sent.flatMap(({ steps }) =>
    steps.flatMap(step => (step.do === 'emit' ? `${step.event} ${JSON.stringify(step.payload)}` : [])),
  )
  expect(messages).toEqual(live)
})
