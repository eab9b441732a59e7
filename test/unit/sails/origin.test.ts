import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Server } from 'socket.io'
import { expect, test, vi } from 'vitest'
import { formatOrigin, parseOrigin } from '../../../src/publish/origin.ts'
import { RoomEmitter } from '../../../src/publish/socketio/room-emitter.ts'
import { ActionRequests } from '../../../src/sails/attribution/action-requests.ts'
import { createSafeguard } from '../../../src/sails/attribution/safeguard.ts'
import { tagStatements } from '../../../src/sails/attribution/statement-tags.ts'
import { Broadcasts } from '../../../src/sails/deduplication/broadcasts.ts'
import { Publications } from '../../../src/sails/deduplication/publication-log.ts'
import { RecentPublications } from '../../../src/sails/deduplication/recent-publications.ts'
import { RemotePublications } from '../../../src/sails/deduplication/remote-publications.ts'
import type { ActionRequest, SailsApp, SailsSockets } from '../../../src/sails/hook/sails-app.ts'
import { eventually } from '../../helpers/eventually.ts'

test('an origin identifies the request, the kind of action and the socket of a change', () => {
  const origin = { node: 'a1', request: '2z', blueprint: true, mirror: false, socketId: 'Ab-_9' }
  expect(parseOrigin(formatOrigin(origin))).toEqual(origin)
  const overHttp = { node: 'a1', request: '0', blueprint: false, mirror: true }
  expect(parseOrigin(formatOrigin(overHttp))).toEqual(overHttp)
  for (const foreign of [undefined, '', 'cron', 'sails:a1', 'sails:a1:1:x:', 'sails:a1:1:b:so*ck']) {
    expect(parseOrigin(foreign)).toBeUndefined()
  }
})

test('an origin contains no characters that could end the comment or inject SQL', () => {
  for (const socketId of ['*/ drop table pet; --', 'a b', "'", '\n', 'x'.repeat(65), '*/']) {
    const text = formatOrigin({ node: 'a1', request: '1', blueprint: false, mirror: false, socketId })
    expect(text).toBe('sails:a1:1:a:')
  }
})

function pool(sent: unknown[]) {
  const client = {
    query: (...args: unknown[]) => {
      sent.push(args[0])
      const done = args.at(-1)
      if (typeof done === 'function') setImmediate(() => done(null, {}))
    },
  }
  return { connect: (done: (error: null, client: object) => void) => setImmediate(() => done(null, client)) }
}

test('only writing statements get the origin', async () => {
  const sent: unknown[] = []
  const tagged = pool(sent)
  let origin: string | undefined = 'o1'
  const originNow = vi.fn(() => origin)
  expect(tagStatements(tagged, originNow)).toBe(true)
  const client = await new Promise<{ query(...args: unknown[]): void }>(resolve =>
    tagged.connect((_error, client) => resolve(client as never)),
  )
  client.query('insert into pet values ($1)', [1], () => {})
  client.query('  UPDATE pet set a = 1 -- a comment at the end')
  client.query('with gone as (delete from pet) select 1')
  client.query({ text: 'delete from pet', values: [] })
  client.query('-- name: rename\n/* a **\n comment */ update pet set a = 1')
  expect(originNow).toHaveBeenCalledTimes(5)
  client.query('select 1')
  client.query('-- update')
  client.query('begin')
  client.query({ name: 'prepared', text: 'delete from pet' })
  expect(originNow).toHaveBeenCalledTimes(5) // requests that only read are not remembered
  origin = undefined
  client.query('delete from pet')
  expect(sent).toEqual([
    '/*changefeed:origin=o1*/ insert into pet values ($1)',
    '/*changefeed:origin=o1*/   UPDATE pet set a = 1 -- a comment at the end',
    '/*changefeed:origin=o1*/ with gone as (delete from pet) select 1',
    { text: '/*changefeed:origin=o1*/ delete from pet', values: [] },
    '/*changefeed:origin=o1*/ -- name: rename\n/* a **\n comment */ update pet set a = 1',
    'select 1',
    '-- update',
    'begin',
    { name: 'prepared', text: 'delete from pet' },
    'delete from pet',
  ])
})

test('callbacks run in the async context of their caller', async () => {
  const storage = new AsyncLocalStorage<string>()
  const waiting: (() => void)[] = []
  const client = { query: (_sql: string, done: () => void) => waiting.push(done) }
  const tagged = { connect: (done: (error: null, client: object) => void) => waiting.push(() => done(null, client)) }
  tagStatements(tagged, () => storage.getStore())
  const contexts: unknown[] = []
  for (const name of ['one', 'two']) {
    storage.run(name, () =>
      tagged.connect((_error, mine) => {
        contexts.push(storage.getStore())
        ;(mine as typeof client).query('select 1', () => contexts.push(storage.getStore()))
      }),
    )
  }
  storage.run('another', () => {
    while (waiting.length > 0) waiting.shift()?.()
  })
  expect(contexts).toEqual(['one', 'two', 'one', 'two'])
})

test('callbacks long after the response are not attributed to the request', ({ onTestFinished }) => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const requests = new ActionRequests({
    config: {},
    getActions: () => ({}),
    after: () => {},
  } as unknown as SailsApp)
  let callback = (): unknown => undefined
  const response = new EventEmitter()
  const [req, res] = [{} as ActionRequest, response as ServerResponse]
  requests.enter(req, res, () => (callback = AsyncResource.bind(() => [requests.originNow(), requests.current])))
  const own = [`sails:${requests.node}:0:a:`, expect.anything()]
  vi.advanceTimersByTime(60 * 60_000)
  expect(callback()).toEqual(own) // the request is still open
  response.emit('finish')
  vi.advanceTimersByTime(60_000)
  expect(callback()).toEqual(own)
  vi.advanceTimersByTime(5 * 60_000)
  expect(callback()).toEqual([undefined, undefined])
})

test('async work that a publish function left running is not attributed to the feed after a minute', async ({
  onTestFinished,
}) => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const sent: unknown[] = []
  const sockets = { broadcast: (...args: unknown[]) => sent.push(args) } as unknown as SailsSockets
  const broadcasts = new Broadcasts({
    io: {} as Server,
    sockets,
    model: () => undefined,
    publications: () => undefined,
    fanOut: 'local',
    emitter: new RoomEmitter({} as Server, 'local'),
    safely: createSafeguard(console),
  })
  broadcasts.attach()
  const delivery = {
    meta: { cursor: '1.1.1', at: 1 },
    except: [],
    keys: new Set(['another']),
    reverses: true,
    sent: new Set<string>(),
  }
  let callback = () => {}
  await broadcasts.deliver(delivery, () => {
    callback = AsyncResource.bind(() => sockets.broadcast('room', 'owner', { verb: 'updated', id: 1 }))
  })
  callback()
  expect(sent).toHaveLength(0)
  vi.advanceTimersByTime(60_000)
  callback()
  expect(sent).toHaveLength(1)
})

test('objects that are not pools are not tagged', () => {
  for (const no of [undefined, null, {}, 'pool']) expect(tagStatements(no, () => 'o')).toBe(false)
})

test('the first copy of each message is sent, one per change', async () => {
  const published: unknown[] = []
  const publications = new Publications({ expected: true, onPublished: keys => published.push(keys) })
  expect([publications.byAction(['a']), publications.byFeed(['a'])]).toEqual([true, 'duplicate'])
  expect(publications.byFeed(['a'])).toBe('new') // another change of the same record, which the action does not publish
  expect([publications.byFeed(['b']), publications.byAction(['b']), publications.byAction(['b'])]).toEqual([
    'new',
    false,
    true,
  ])
  await publications.completed()
  expect(published).toEqual([['a', 'b']])
  expect([publications.byAction(['c'], ['d']), publications.byFeed(['d']), publications.byFeed(['d'])]).toEqual([
    true,
    'duplicate',
    'new',
  ])
  publications.byAction(['e'])
  expect(publications.byFeed(['e'], performance.now())).toBe('outOfOrder')
})

test('the wait for an action is limited, and shared by all its changes', async ({ onTestFinished }) => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const passed = async (ms: number, waiting: Promise<unknown>) => {
    const done = vi.fn()
    void waiting.then(done)
    await vi.advanceTimersByTimeAsync(ms)
    return done.mock.calls.length > 0
  }
  const written = Date.now()
  const hanging = new Publications({ expected: true })
  expect(await passed(2_990, hanging.completed(written))).toBe(false)
  expect(await passed(10, hanging.completed(written))).toBe(true)
  expect(await passed(0, hanging.completed())).toBe(true)
  expect(await passed(1, new Publications({ expected: true }).completed(written))).toBe(true)
})

test('after a timeout, later requests of the same process are still waited for', async ({ onTestFinished }) => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const peer = new EventEmitter()
  const announcements = new RemotePublications({
    announce: () => {},
    listen: onAnnounced => {
      peer.on('duplicate', onAnnounced)
      return () => {}
    },
  })
  announcements.attach()
  const hanging = announcements.find('sails:a1:1:b:', Date.now())
  await vi.advanceTimersByTimeAsync(3_000)
  expect((await hanging)?.byFeed(['a'])).toBe('new')
  const answering = announcements.find('sails:a1:2:b:', Date.now())
  await vi.advanceTimersByTimeAsync(100)
  peer.emit('duplicate', 'sails:a1:2:b:', ['a'])
  expect((await answering)?.byFeed(['a'])).toBe('duplicate')
})

test('the latest 10,000 feed messages of a request are remembered', () => {
  const publications = new Publications({ expected: false })
  for (let n = 1; n <= 10_001; n++) publications.byFeed([`${n}`])
  expect([publications.byAction(['1']), publications.byAction(['2'])]).toEqual([true, false])
})

test('equal messages are deduplicated only within the window', async () => {
  const recent = new RecentPublications(30)
  expect([recent.byAction(['a']), recent.byFeed(['a']), recent.byFeed(['a'])]).toEqual([true, 'duplicate', 'new'])
  expect([recent.byFeed(['b']), recent.byAction(['b'])]).toEqual(['new', false])
  expect(recent.byAction(['late'])).toBe(true)
  const written = performance.now()
  await eventually(() => expect(performance.now() - written).toBeGreaterThan(31))
  expect(recent.byFeed(['late'])).toBe('new')
})
