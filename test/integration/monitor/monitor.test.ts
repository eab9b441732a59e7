import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { openPage } from '../../helpers/browser.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, type Shop } from '../feed/fixture.ts'
import { FINDING, openMonitor, TOKEN } from './fixture.ts'

/** fetch() does not allow setting the host. */
async function statusFor(url: string, host: string): Promise<number | undefined> {
  const [response] = (await once(request(`${url}/status.json`, { headers: { host } }).end(), 'response')) as [
    IncomingMessage,
  ]
  response.resume()
  return response.statusCode
}

async function write({ database }: Shop, count: number) {
  await database.query(`insert into "user" (id, name) select id, 'ann' from generate_series(1, ${count}) as id`)
  await database.query(`update "user" set name = 'ben' where id = 1; delete from "user" where id = 2`)
}

test('health checks report liveness and readiness', async () => {
  const { feed, get } = await openMonitor({ lagLimitMs: 1 })
  expect((await get('/healthz')).status).toBe(200)
  expect((await get('/readyz')).status).toBe(503)
  await feed.start()
  expect(await (await get('/healthz')).json()).toEqual({ ok: true, reasons: [] })
  await eventually(async () => expect(await (await get('/readyz')).json()).toEqual({ ok: true, reasons: [] }))
  await feed.stop()
  expect((await get('/readyz')).status).toBe(503)
})

test('a feed above the maximum lag is not ready', async () => {
  const shop = await openInstalledShop()
  const publisher = { publish: () => Promise.reject(Object.assign(new Error('away'), { retryable: true })) }
  const feed = shop.feed({ publisher })
  await feed.start()
  const db = openDatabase(
    { connectionString: shop.database.connectionString, applicationName: 'monitor' },
    'changefeed',
  )
  afterScope(() => db.close())
  const { get } = await openMonitor({ feed, db, lagLimitMs: 1 })
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await eventually(async () => {
    const response = await get('/readyz')
    expect([response.status, await response.json()]).toEqual([
      503,
      { ok: false, reasons: [expect.stringMatching(/lag is/)], warnings: [expect.stringMatching(/unavailable since/)] },
    ])
  })
})

test('metrics count reads and messages, and measure the state', async () => {
  const { shop, feed, get } = await openMonitor()
  await feed.start()
  await write(shop, 3)
  await feed.settled()
  const response = await get('/metrics')
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=/)
  const text = await response.text()
  for (const line of [
    'changefeed_changes_total{model="user",verb="created"} 3',
    'changefeed_messages_total{model="user",verb="updated"} 1',
    'changefeed_messages_total{model="user",verb="destroyed"} 1',
    'changefeed_publish_seconds_count 5',
    'changefeed_connected 1',
    'changefeed_leader 1',
    'changefeed_lag_changes 0',
    'changefeed_nodes{role="leader"} 1',
  ]) {
    expect(text.split('\n')).toContain(line)
  }
  expect(text).toMatch(/changefeed_reads_total\{cause="(wake|poll)"\} \d+/)
  expect(text).toMatch(/changefeed_log_bytes [1-9]/)
})

test("problems have a time, are checked again when the feed's state changes, and are kept during an outage", async () => {
  let answers = true
  let calls = 0
  const examine = async () => {
    calls++
    if (!answers) throw new Error('The database does not answer.')
    return [FINDING]
  }
  const { shop, feed, get } = await openMonitor({ examine })
  const inspected = async () => ((await (await get('/status.json')).json()) as { inspected: unknown }).inspected
  await feed.start()
  await eventually(async () =>
    expect(await inspected()).toEqual({ at: expect.any(Number), findings: [FINDING], failure: null }),
  )
  const before = calls
  answers = false
  await shop.database.query('alter table pet disable trigger user')
  await eventually(() => expect(calls).toBeGreaterThan(before), { withinMs: 15_000 })
  await eventually(async () =>
    expect(await inspected()).toEqual({
      at: expect.any(Number),
      findings: [FINDING],
      failure: 'The database does not answer.',
    }),
  )
})

test('without a token only requests with a loopback host name are accepted', async () => {
  const { get, url } = await openMonitor()
  expect((await get('/status.json')).status).toBe(200)
  expect(await statusFor(url, 'rebound.example')).toBe(421)
})

test('with a token all routes except the health checks require it', async () => {
  const { get } = await openMonitor({ token: TOKEN })
  expect((await get('/healthz')).status).toBe(200)
  for (const path of ['/metrics', '/status.json', '/page/monitor.js']) {
    expect((await get(path)).status).toBe(401)
    expect((await get(path, { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await get(path, { authorization: `Bearer ${TOKEN}` })).status).toBe(200)
  }
  const visitor = await get('/', { accept: 'text/html' })
  expect([visitor.status, visitor.headers.get('location')]).toEqual([302, '/sign-in'])
})

const formOf = (token: string) => ({
  method: 'POST',
  body: new URLSearchParams({ token }),
  redirect: 'manual' as const,
})

test('signing in opens a session, whose cookie does not contain the token and ends with it', async () => {
  const { get, url } = await openMonitor({ token: TOKEN })
  const wrong = await fetch(`${url}/sign-in`, formOf('wrong'))
  expect([wrong.headers.get('location'), wrong.headers.get('set-cookie')]).toEqual(['/sign-in#wrong', null])
  const signIn = async (headers = {}) =>
    (await fetch(`${url}/sign-in`, { ...formOf(TOKEN), headers })).headers.get('set-cookie') ?? ''
  const set = await signIn()
  expect(set).toMatch(/^changefeed_session=[-\w]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/)
  expect(set).not.toContain(encodeURIComponent(TOKEN))
  expect(await signIn({ 'x-forwarded-proto': 'https' })).toMatch(/; Secure/)
  const cookie = set.split(';')[0] ?? ''
  expect(await (await get('/status.json', { cookie })).json()).toMatchObject({ signedIn: true })
  expect((await get('/status.json', { cookie: `changefeed_token=${encodeURIComponent(TOKEN)}` })).status).toBe(401)
  expect((await get('/status.json', { cookie: `changefeed_session=${encodeURIComponent(TOKEN)}` })).status).toBe(401)
  await fetch(`${url}/sign-out`, { method: 'POST', headers: { cookie }, redirect: 'manual' })
  expect((await get('/status.json', { cookie })).status).toBe(401)
})

test('guessing a token by form or header is blocked, and the right one is rejected meanwhile', async () => {
  const { get, url } = await openMonitor({ token: TOKEN })
  const cookie = (await fetch(`${url}/sign-in`, formOf(TOKEN))).headers.get('set-cookie')?.split(';')[0] ?? ''
  for (let attempt = 0; attempt < 5; attempt++) {
    expect((await fetch(`${url}/sign-in`, formOf('wrong'))).status).toBe(303)
    expect((await get('/metrics', { authorization: 'Bearer wrong' })).status).toBe(401)
  }
  for (const answer of [
    await fetch(`${url}/sign-in`, formOf(TOKEN)),
    await get('/metrics', { authorization: `Bearer ${TOKEN}` }),
  ]) {
    expect(answer.status).toBe(429)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  }
  expect((await get('/status.json', { cookie })).status).toBe(200)
  expect((await get('/healthz')).status).toBe(200)
})

test('the body of a sign-in is limited', async () => {
  const { url } = await openMonitor({ token: TOKEN })
  const post = async (body: string | URLSearchParams, headers = {}) =>
    (await fetch(`${url}/sign-in`, { method: 'POST', body, headers, redirect: 'manual' })).status
  expect(await post(new URLSearchParams({ token: 'x'.repeat(1_000_000) }))).toBe(413)
  expect(await post('no form', { 'content-type': 'multipart/form-data; boundary=x' })).toBe(303)
})

test('the page shows all data in a real browser, and escapes text', async () => {
  const { shop, feed, url } = await openMonitor({ token: TOKEN })
  await feed.start()
  await write(shop, 3)
  await feed.settled()
  const { page, logged } = await openPage(url)
  await page.fill('#token', TOKEN)
  await page.click('button')
  await page.waitForSelector('#recent tr')
  expect(await page.textContent('#state')).toMatch(/^leader/)
  expect(await page.locator('#recent tr').count()).toBe(5)
  expect(await page.textContent('#recent tr:first-child')).toMatch(/destroyeduser 2\d+ ms/)
  expect(await page.textContent('#problems')).toContain('Model `<b>pet</b>`')
  expect(await page.locator('#problems b').count()).toBe(0)
  expect(await page.textContent('#checked')).toMatch(/^checked \d+ s ago$/)
  expect(await page.locator('.plot canvas').count()).toBe(2)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 })
      const wider = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
      await eventually(async () => expect(await page.evaluate(wider)).toBe(0))
    }
  }
  await feed.stop()
  await eventually(async () => expect(await page.textContent('#state')).toBe('stopped'))
  expect(logged.filter(line => line !== '')).toEqual([]) // the browser's own messages have no values
})
