import { expect, test } from 'vitest'
import type { SailsClient } from '../../helpers/sails-client.ts'
import { liftApp, summary, type TestApp } from './fixture.ts'
import { payloads, seed, watchEverything } from './scenario.ts'

type Request = readonly [method: string, url: string, data?: object]
type Statement = readonly [sql: string, values: unknown[]]

/** Requests whose row changes determine the messages completely: same messages, same order, same bytes. */
const SAME: Request[] = [
  ['post', '/pet', { name: 'fay' }],
  ['post', '/pet', { name: 'fay', owner: 1 }],
  ['post', '/owner', { name: 'eve' }],
  ['patch', '/pet/1', { name: 'max', nick: 'm' }],
  ['patch', '/pet/1', { owner: 2 }],
  ['patch', '/pet/1', { owner: null }],
  ['patch', '/owner/1', { name: 'anna' }],
  ['delete', '/pet/1'],
  ['delete', '/pet/3'],
  ['delete', '/owner/1'],
  ['put', '/student/2/courses/1'],
  ['delete', '/student/1/courses/1'],
  ['delete', '/student/1'],
  ['patch', '/pet/99', { name: 'nobody' }],
]

/**
 * Requests whose row changes do not show from which side of the association they came: the same messages about the same
 * records, in the order of the writes. `updated` contains the whole row change.
 */
const SAME_MESSAGES: Request[] = [
  ['put', '/owner/1/pets/3'],
  ['put', '/owner/2/pets/1'],
  ['delete', '/owner/1/pets/1'],
  ['put', '/owner/1/pets', [2, 3]],
  ['put', '/owner/1/pets', []],
  ['put', '/course/3/students/2'],
]

/** Waterline deletes all links of the collection and reinserts those that it keeps, so these may be published again. */
const KEPT_AGAIN: Request[] = [['put', '/student/1/courses', [2, 3]]]

test('the row changes of blueprint actions, replayed as raw SQL, give the messages of the blueprints', async () => {
  const recorded = await blueprints([...SAME, ...SAME_MESSAGES, ...KEPT_AGAIN])
  const app = await liftApp({ changefeed: { populate: true, compatibility: true } })
  for (const [index, { request, writes, watcher }] of recorded.entries()) {
    const received = await listen(app, async () => {
      for (const [sql, values] of writes) await app.database.query(sql, values)
    })
    const [exact, label] = [index < SAME.length, JSON.stringify(request)]
    if (exact) expect([label, ...payloads(received)]).toEqual([label, ...payloads(watcher)])
    else if (!KEPT_AGAIN.includes(request)) {
      expect([label, ...summary(received).sort()]).toEqual([label, ...summary(watcher).sort()])
    } else {
      expect(summary(received)).toEqual(expect.arrayContaining(summary(watcher)))
      const more = summary(received).filter(message => !summary(watcher).includes(message))
      expect(more.filter(message => !message.includes('addedTo'))).toEqual([])
    }
  }
})

test('by default messages are those of blueprints with unpopulated records and attribute names', async () => {
  const requests: Request[] = [
    ['post', '/pet', { name: 'fay', owner: 1 }],
    ['patch', '/pet/1', { nick: 'm' }],
  ]
  const recorded = await blueprints(requests)
  const app = await liftApp()
  const received = []
  for (const { writes } of recorded) {
    const client = await listen(app, async () => {
      for (const [sql, values] of writes) await app.database.query(sql, values)
    })
    received.push(...client.messages.of('pet').map(({ data }) => data))
  }
  expect(received).toEqual([
    {
      verb: 'created',
      id: 4,
      data: { id: 4, createdAt: expect.any(Number), updatedAt: expect.any(Number), name: 'fay', nick: null, owner: 1 },
    },
    {
      verb: 'updated',
      id: 1,
      data: { id: 1, updatedAt: expect.any(Number), nick: 'm' },
      previous: { id: 1, createdAt: 1, updatedAt: 1, name: 'rex', nick: null, owner: 1 },
    },
  ])
})

/** The statements that an app without the feed runs for these requests, and the messages that a socket receives. */
async function blueprints(requests: readonly Request[]) {
  const app = await liftApp({ hook: false })
  const recorded: { request: Request; writes: Statement[]; watcher: SailsClient }[] = []
  for (const request of requests) {
    const writes: Statement[] = []
    const [method, url, data] = request
    const watcher = await listen(app, async () => {
      const actor = await app.connect()
      const untap = tap(app.app.getDatastore().manager.pool, writes)
      await actor.request({ method, url, ...(data && { data }) })
      untap()
    })
    recorded.push({ request, writes, watcher })
  }
  await app.lower()
  return recorded
}

async function listen(app: TestApp, act: () => Promise<void>): Promise<SailsClient> {
  await seed(app.database)
  await app.settled()
  const watcher = await app.connect()
  await watchEverything(watcher)
  await act()
  await app.settled(watcher)
  await watcher.disconnect()
  return watcher
}

// biome-ignore lint/suspicious/noExplicitAny: a pool of node-postgres
function tap(pool: any, writes: Statement[]): () => void {
  const connect = pool.connect
  // biome-ignore lint/suspicious/noExplicitAny: as above
  pool.connect = (done: any) =>
    connect.call(pool, (error: unknown, client: { query: unknown }, release: unknown) => {
      const query = Object.getPrototypeOf(client).query
      client.query = (sql: string, values: unknown[], ...rest: unknown[]) => {
        if (connect !== pool.connect && /^(insert|update|delete)/i.test(sql)) writes.push([sql, values])
        return query.call(client, sql, values, ...rest)
      }
      done(error, client, release)
    })
  return () => {
    pool.connect = connect
  }
}
