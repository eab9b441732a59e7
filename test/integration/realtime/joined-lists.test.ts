import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RecentSubscriptions } from '../../../src/publish/socketio/recent-subscriptions.ts'
import { eventually } from '../../helpers/eventually.ts'
import { randomOf } from '../invariants/collection-writes.ts'
import {
  expectConverged,
  expectNoRepeat,
  type JoinedList,
  PATHS,
  readList,
  seedMembers,
  seedRecords,
  writeUntil,
} from '../invariants/joined-lists.ts'
import { feedingApp } from './feeding-app.ts'
import { received } from './socket-server.ts'

const READERS = 24
const WRITERS = 3

test.each([5_000, 0])(
  'concurrent writers, and a feed that is %i ms late: no client receives what its list contains, none misses a change',
  { timeout: 60_000 },
  async lagMs => {
    const { database, feed, realtime, connect } = await feedingApp()
    await seedRecords(database)
    await feed.settled()
    const endLag = feed.onChange(async ({ meta }) => {
      await sleep(Math.max(0, meta.at + lagMs - Date.now())) // the artificial lag
    })
    const observer = await connect()
    for (const path of PATHS) await observer.get(path)
    await seedMembers(database)
    const random = randomOf(lagMs + 1)
    const clients = await Promise.all(Array.from({ length: READERS }, () => connect()))
    let isOver = false
    const writers = Array.from({ length: WRITERS }, (_, n) => writeUntil(() => isOver, database, randomOf(n + 1)))
    const lists: JoinedList[] = []
    for (const client of clients) lists.push(await readList(client, random.of(PATHS), database))
    isOver = true
    const commits = (await Promise.all(writers)).reduce((sum, each) => sum + each, 0)
    expect(commits).toBeGreaterThan(READERS)
    await feed.settled()
    for (const client of [observer, ...clients]) await received(realtime.io, client)
    const repeated = lists.map(list => expectNoRepeat(list, observer))
    for (const list of lists) await expectConverged(list, database)
    // Committed while the list was read.
    expect(repeated.reduce((sum, each) => sum + each, 0)).toBeLessThan(READERS)
    endLag()
    // Nothing is remembered once the feed has published what the lists contain.
    await eventually(async () => {
      await database.query(`insert into owner (name) values ('last')`)
      await feed.settled()
      expect(RecentSubscriptions.of(realtime.io).size).toBe(0)
    })
  },
)
