import { join } from 'node:path'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { type TestDatabase, testDatabase } from '../helpers/database.ts'
import { eventually } from '../helpers/eventually.ts'
import { afterScope } from '../helpers/scope.ts'
import { testSettings } from '../helpers/test-settings.ts'
import { openShop } from '../integration/feed/fixture.ts'
import { smallDisk } from './small-disk.ts'

const DISK_MIB = 160

const ROW = `insert into pet (name) select string_agg(md5(random()::text), '') from generate_series(1, 300)`

/** Writes rows one at a time until that many were rejected, whatever happens to the server. */
async function writeUntilRefused(database: TestDatabase, write: string, times: number) {
  const refusals: string[] = []
  let client: pg.Client | undefined
  while (refusals.length < times) {
    try {
      client ??= await database.connect()
      await client.query(write)
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      refusals.push(code ?? message)
      client = undefined
    }
  }
  return refusals
}

/** Postgres exits when it cannot write its WAL and must then be restarted. Its recovery may wait for a file that was full. */
async function bringBack(server: EmbeddedPostgres, database: TestDatabase): Promise<pg.Client> {
  let attempts = 0
  const connect = async () => {
    if (server.pid === undefined || ++attempts % 50 === 0) await server.restart('immediate')
    return await database.connect()
  }
  return await eventually(connect, { withinMs: 60_000, everyMs: 200 })
}

test.for([
  { full: 'for the tables, where writes fail', write: ROW, refusal: '53100' },
  { full: 'for the write-ahead log, where the server ends', write: `select pg_switch_wal(); ${ROW}`, refusal: '57P03' },
])(
  'after a disk was full $full, the feed publishes exactly the committed changes',
  async ({ write, refusal }, { skip }) => {
    const disk = (await smallDisk(DISK_MIB)) ?? skip('needs the right to mount a disk')
    const settings = { ...testSettings, max_wal_size: '48MB', min_wal_size: '32MB' }
    const server = await startEmbeddedPostgres({ dataDir: join(disk.folder, 'data'), settings })
    afterScope(() => server.stop('immediate'))
    const database = await testDatabase({ server })
    const { feed: newFeed, published } = await openShop(database)
    const feed = newFeed()
    await feed.install()
    await feed.start()
    await database.query('select pg_switch_wal(); checkpoint') // leaves the WAL a whole file of free space, the tables almost none
    const makeRoom = await disk.fill(1)
    expect(await writeUntilRefused(database, write, 10)).toContain(refusal)
    makeRoom()
    const client = await bringBack(server, database)
    for (let n = 0; n < 20; n++) await client.query(ROW)
    await eventually(() => feed.settled(), { withinMs: 30_000 })
    const { rows } = await client.query<{ id: number }>('select id from pet order by id')
    expect(rows.length).toBeGreaterThan(20)
    // The end of the server may lose the last tick, but no change: see docs/decisions/ticks.md.
    const told = published.map(({ event }) => (event.verb === 'created' ? event.id : event.verb))
    expect(told).toEqual(rows.map(({ id }) => id))
  },
)
