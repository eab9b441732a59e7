import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { listPauses } from '../../../src/pipeline/pauses.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { summary } from '../feed/fixture.ts'
import { type FixtureOptions, holdingPublisher, openMonitor, TOKEN } from './fixture.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }

async function openOperations(options: FixtureOptions = {}) {
  const monitor = await openMonitor({ token: TOKEN, ...options })
  const send = async (path: string, body: string, headers: Record<string, string>) => {
    const response = await fetch(`${monitor.url}/operations/${path}`, { method: 'POST', body, headers })
    // biome-ignore lint/suspicious/noExplicitAny: any JSON
    return { status: response.status, headers: response.headers, body: (await response.json()) as any }
  }
  const post = (path: string, body: object, token = TOKEN) =>
    send(path, JSON.stringify(body), { ...JSON_HEADERS, authorization: `Bearer ${token}` })
  const progress = async () => {
    const response = await monitor.get('/status.json', { authorization: `Bearer ${TOKEN}` })
    return ((await response.json()) as { operations: { replay: object | null } }).operations.replay
  }
  const paused = async () =>
    (await listPauses(monitor.db)).filter(({ resumedAt }) => !resumedAt).map(({ identity }) => identity)
  return { ...monitor, send, post, progress, paused }
}

const PATHS = ['pause', 'resume', 'replay/count', 'replay', 'replay/stop']

test('without a token operations are disabled, and the response names the setting', async () => {
  const { send, get, paused } = await openOperations({ token: undefined })
  for (const path of PATHS) {
    const answer = await send(path, '{"models":["pet"]}', { ...JSON_HEADERS, authorization: 'Bearer undefined' })
    expect([answer.status, answer.body]).toEqual([
      403,
      { error: { message: expect.stringMatching(/CHANGEFEED_TOKEN/) } },
    ])
  }
  expect(await paused()).toEqual([])
  expect(await (await get('/status.json')).json()).toMatchObject({ operations: { allowed: false } })
})

test('only the token in a header is accepted: not a missing or wrong token, nor a signed-in browser', async () => {
  const { send, post, url, paused } = await openOperations()
  const signIn = { method: 'POST', body: new URLSearchParams({ token: TOKEN }), redirect: 'manual' as const }
  const cookie = (await fetch(`${url}/sign-in`, signIn)).headers.get('set-cookie')?.split(';')[0] ?? ''
  expect(cookie).toMatch(/^changefeed_session=/)
  for (const path of PATHS) {
    const answer = await send(path, '{"models":["pet"]}', { ...JSON_HEADERS, cookie })
    expect([answer.status, answer.body.error.message]).toEqual([401, expect.stringMatching(/A token is required/)])
    expect(
      await send(path, '{"models":["pet"]}', { ...JSON_HEADERS, cookie, authorization: 'Bearer wrong' }),
    ).toMatchObject({
      status: 401,
      body: { error: { message: 'Wrong token.' } },
    })
  }
  expect(await paused()).toEqual([])
  expect((await post('pause', { models: ['pet'] })).status).toBe(200)
})

test('guessing a token is blocked', async () => {
  const { post } = await openOperations()
  for (let attempt = 0; attempt < 10; attempt++) {
    expect((await post('pause', { models: ['pet'] }, 'wrong')).status).toBe(401)
  }
  const answer = await post('pause', { models: ['pet'] })
  expect([answer.status, answer.body.error.message]).toEqual([429, expect.stringMatching(/Try again in \d+ seconds/)])
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
})

describe('a body that is rejected changes nothing', () => {
  let operations: Awaited<ReturnType<typeof openOperations>>
  beforeAll(async () => {
    operations = await openOperations()
  })

  test.each([
    ['no JSON', 'pause', 'pet', /not valid JSON/],
    ['no object', 'pause', '["pet"]', /must be an object/],
    ['no models', 'pause', '{}', /body\.models: must be a list/],
    ['an empty list', 'resume', '{"models":[]}', /body\.models: must contain a model/],
    ['a model that is not captured', 'pause', '{"models":["fish"]}', /No model `fish` is captured.*pet, user/],
    ['an unknown key', 'pause', '{"models":["pet"],"modles":[]}', /modles/],
    ['no beginning', 'replay', '{}', /body\.since: must be a string/],
    ['no time', 'replay/count', '{"since":"yesterday"}', /neither a cursor, nor a time/],
    ['another epoch', 'replay/count', '{"since":"zz.1.1"}', /another epoch/],
    ['a model to replay that is not captured', 'replay', '{"since":"1h","models":["fish"]}', /No model `fish`/],
  ])('a body with %s is rejected with a message', async (_name, path, body, message) => {
    const { send, paused, progress } = operations
    const answer = await send(path, body, { ...JSON_HEADERS, authorization: `Bearer ${TOKEN}` })
    expect([answer.status, answer.body]).toEqual([400, { error: { message: expect.stringMatching(message) } }])
    expect([await paused(), await progress()]).toEqual([[], null])
  })
})

test('a body of another content type, or too long, is rejected', async () => {
  const { send } = await openOperations()
  const authorization = `Bearer ${TOKEN}`
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json-patch+json']) {
    expect((await send('pause', '{"models":["pet"]}', { 'content-type': type, authorization })).status).toBe(415)
  }
  const long = JSON.stringify({ models: ['x'.repeat(200_000)] })
  expect((await send('pause', long, { ...JSON_HEADERS, authorization })).status).toBe(413)
})

test('changes of a paused model are withheld until it is resumed, and then its clients receive refetch', async () => {
  const { shop, feed, post, paused } = await openOperations()
  await feed.start()
  expect((await post('pause', { models: ['Pet', 'pet'] })).body).toEqual({ paused: ['pet'] })
  expect((await post('pause', { models: ['pet'] })).body).toEqual({ paused: [] })
  expect(await paused()).toEqual(['pet'])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'); insert into "user" (id) values (1)`)
  await eventually(() => expect(summary(shop.published)).toContain('created user 1'))
  expect(summary(shop.published)).not.toContain('created pet 1')
  expect((await post('resume', { models: ['pet'] })).body).toEqual({ resumed: ['pet'] })
  expect((await post('resume', { models: ['pet'] })).body).toEqual({ resumed: [] })
  await eventually(() => expect(summary(shop.published)).toContain('refetch pet'))
  expect(await paused()).toEqual([])
})

test('a replay is counted first, publishes exactly these changes, marked, and reports its progress', async () => {
  const { shop, feed, post, progress, replayed } = await openOperations()
  await feed.start()
  await shop.database.query(
    `insert into pet (id, name) values (1, 'rex'), (2, 'max'); insert into "user" (id) values (1)`,
  )
  await feed.settled()
  const { status, body } = await post('replay/count', { since: '1h', models: ['pet'] })
  expect([status, body]).toEqual([
    200,
    {
      since: expect.stringMatching(/^20.*Z$/),
      until: expect.stringMatching(/^20.*Z$/),
      total: 2,
      counts: [{ model: 'pet', operation: 'inserted', changes: 2 }],
    },
  ])
  await shop.database.query(`insert into pet (id, name) values (3, 'late')`)
  await feed.settled()
  const { since, until } = body
  expect(await post('replay', { since, until, models: ['pet'] })).toMatchObject({ status: 202, body: { total: 2 } })
  await eventually(async () =>
    expect(await progress()).toMatchObject({ state: 'done', models: ['pet'], total: 2, done: 2, failure: null }),
  )
  expect(summary(replayed)).toEqual(['created pet 1', 'created pet 2'])
  expect(replayed.map(({ meta }) => meta.replayed)).toEqual([true, true])
})

async function withHeldReplay() {
  const { publisher, ids, started, letGo } = holdingPublisher()
  const operations = await openOperations({ publisher })
  await operations.feed.start()
  await operations.shop.database.query(`insert into pet (id) values (1), (2), (3)`)
  await operations.feed.settled()
  expect((await operations.post('replay', { since: '1h' })).status).toBe(202)
  await started
  return { ...operations, ids, letGo }
}

test('only one replay runs at a time, and it can be stopped between two changes', async () => {
  const { post, progress, ids, letGo } = await withHeldReplay()
  expect(await progress()).toMatchObject({ state: 'running', total: 3, endedAt: null })
  expect(await post('replay', { since: '1h' })).toMatchObject({
    status: 409,
    body: { error: { message: expect.stringMatching(/A replay is already running/) } },
  })
  const stopped = post('replay/stop', {})
  await eventually(async () => expect(await progress()).toMatchObject({ state: 'stopping' }))
  letGo()
  expect((await stopped).status).toBe(200)
  expect(await progress()).toMatchObject({ state: 'stopped', endedAt: expect.any(String) })
  expect(ids).toEqual([1])
  expect((await post('replay', { since: '1h' })).status).toBe(202)
  await eventually(() => expect(ids).toEqual([1, 1, 2, 3]))
})

test('closing a monitor stops its replay first', async () => {
  const { monitor, ids, letGo } = await withHeldReplay()
  const closed = monitor.close()
  letGo()
  await closed
  expect(ids).toEqual([1])
})

test('a replay that gets no connection fails with a message, and the next one works', async () => {
  const { shop, feed, post, progress, replayed } = await openOperations()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  await post('replay/count', { since: '1h' }) // opens the connection for counting
  const elsewhere = await testDatabase()
  const allow = (allowed: boolean) =>
    elsewhere.query(`alter database ${pg.escapeIdentifier(shop.database.name)} allow_connections ${allowed}`)
  await allow(false)
  expect((await post('replay', { since: '1h' })).status).toBe(202)
  await eventually(async () =>
    expect(await progress()).toMatchObject({
      state: 'failed',
      done: 0,
      failure: expect.stringMatching(/not currently accepting connections/),
    }),
  )
  await allow(true)
  expect((await post('replay', { since: '1h' })).status).toBe(202)
  await eventually(() => expect(summary(replayed)).toEqual(['created pet 1']))
})
