import { expect, test } from 'vitest'
import { parseCursor } from '../../src/change-log/cursor.ts'
import { hasTick } from '../../src/change-log/position.ts'
import { parseSince } from '../../src/change-log/since.ts'
import { openDatabase } from '../../src/db/connect.ts'
import type { Changefeed } from '../../src/index.ts'
import type { MessageMeta, RecordEvent } from '../../src/publish/mapping/record-event.ts'
import { ownServer, testDatabase } from '../helpers/database.ts'
import { eventOf, eventually } from '../helpers/eventually.ts'
import { afterScope } from '../helpers/scope.ts'
import { openShop } from '../integration/feed/fixture.ts'

const ROUNDS = 15

/** What a node published or a consumer received: the names of pets, and gaps. */
interface Received {
  readonly what: string
  readonly cursor: string
}

interface NodesOptions {
  /** Of the app. */
  readonly synchronousCommit: 'on' | 'off'
  /** With `leader` one node, otherwise a leader and a follower. @default 'local' */
  readonly publish?: 'local' | 'leader'
}

/** Nodes and a named consumer, on a server that flushes asynchronous commits rarely. */
async function openNodes({ synchronousCommit, publish = 'local' }: NodesOptions) {
  const server = await ownServer({ fsync: 'on', wal_writer_delay: '10s' })
  const database = await testDatabase({ server })
  await database.query(`alter database "${database.name}" set synchronous_commit = ${synchronousCommit}`)
  const shop = await openShop(database)
  const consumed: Received[] = []
  const published: Received[][] = publish === 'local' ? [[], []] : [[]]
  const publisher = (received: Received[] = []) => ({
    publish(event: RecordEvent, { cursor }: MessageMeta) {
      if (event.identity !== 'pet') return
      const what = event.verb === 'created' ? String(event.record.name) : 'gap'
      received.push({ what, cursor })
    },
  })
  const feeds = published.map(received => shop.feed({ publish, publisher: publisher(received) }))
  const [leader] = feeds as [Changefeed]
  await leader.install()
  for (const feed of feeds) await feed.start()
  const end = new AbortController()
  const consuming = (async () => {
    for await (const item of leader.consume({
      name: 'worker',
      from: 'oldest',
      models: ['pet'],
      signal: end.signal,
    })) {
      consumed.push({ what: item.operation === 'gap' ? 'gap' : String(item.record?.name), cursor: item.cursor })
    }
  })()
  afterScope(async () => {
    end.abort()
    await consuming
  })
  const db = openDatabase({ connectionString: shop.database.connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  return { server, database, feeds, nodes: [...published, consumed], db }
}

type Nodes = Awaited<ReturnType<typeof openNodes>>

const names = (received: readonly Received[]) => received.map(({ what }) => what)

/** Commits a row, and crashes the server once all have received it. Returns the cursor of its message. */
async function crashBehind(name: string, { server, database, feeds, nodes }: Nodes): Promise<string> {
  const writer = await database.connect()
  await writer.query('insert into pet (name) values ($1)', [name])
  await eventually(
    () => {
      for (const received of nodes) expect(names(received)).toContain(name)
    },
    { withinMs: 20_000, everyMs: 2 },
  )
  const cursor = nodes[0]?.find(({ what }) => what === name)?.cursor ?? ''
  for (const received of nodes) received.length = 0
  const connected = feeds.map(feed => eventOf(feed, 'connected', { withinMs: 60_000 }))
  await server.restart('immediate')
  await Promise.all(connected)
  return cursor
}

test('a tick that a crash loses is not confused with its successor: nothing is lost, its cursor is unknown', async () => {
  const opened = await openNodes({ synchronousCommit: 'off' })
  const { database, nodes, db } = opened
  for (let round = 1; round <= ROUNDS; round++) {
    const cursor = await crashBehind(`lost ${round}`, opened)
    const client = await database.connect()
    const { rowCount } = await client.query('select from pet where name = $1', [`lost ${round}`])
    if (rowCount === 1) continue // something was flushed in between
    const next = Array.from({ length: 50 * round }, (_, index) => `${round}.${index}`) // one of them gets the lost transaction id
    for (const name of next) await client.query('insert into pet (name) values ($1)', [name])
    for (const received of nodes) {
      const rows = () => names(received).filter(what => what.startsWith(`${round}.`)) // earlier ones may come again
      await eventually(() => expect(rows()).toEqual(next), { withinMs: 20_000 })
      expect(names(received)[0]).toBe('gap')
    }
    const { xid, tick } = parseCursor(cursor)
    const reused = nodes[0]?.some(received => received.what !== 'gap' && parseCursor(received.cursor).xid === xid)
    if (!reused) continue
    expect(await hasTick(db, { id: tick })).toBe(false)
    await expect(parseSince(db, cursor)).rejects.toThrow('a crash of the server lost it')
    return
  }
  throw new Error('No crash lost a tick.')
}, 300_000)

test.each(['local', 'leader'] as const)(
  'where a crash loses a tick, but none of its changes, they are not published again, without a gap: %s',
  async publish => {
    const opened = await openNodes({ synchronousCommit: 'on', publish })
    const { database, nodes, db } = opened
    let lostTicks = 0
    for (let round = 1; round <= 5; round++) {
      const cursor = await crashBehind(`kept ${round}`, opened)
      if (!(await hasTick(db, { id: parseCursor(cursor).tick }))) lostTicks++
      const next = [1, 2, 3].map(number => `${round}.${number}`)
      await database.query(next.map(name => `insert into pet (name) values ('${name}')`).join('; '))
      for (const [node, received] of nodes.entries()) {
        await eventually(() => expect(names(received)).toContain(next.at(-1)), { withinMs: 20_000 })
        expect([node, ...names(received)]).toEqual([node, ...next])
      }
    }
    expect(lostTicks).toBeGreaterThan(0)
  },
  300_000,
)
