import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { openPage } from '../../helpers/browser.ts'
import { appDatabase, startNode } from './nodes.ts'

const PAGE = `<!doctype html>
<script src="/js/dependencies/sails.io.js" autoConnect="true"></script>
<script type="module">
  import { changefeed } from '/client.min.js'
  const heard = window.heard = []
  window.changes = changefeed(io.socket, { storage: sessionStorage })
  window.users = changes.live('/user')
  io.socket.on('user', ({ verb, id, data }) => heard.push(verb + ' ' + id + (data ? ' ' + data.name : '')))
  changes.on('caughtUp', () => heard.push('caught up'))
  changes.on('gap', ({ reason }) => heard.push('gap ' + reason))
</script>`

async function open() {
  const database = await appDatabase()
  const node = await startNode(database)
  const client = await readFile(new URL('../../../dist/src/client/client.min.js', import.meta.url), 'utf8')
  node.route('GET /', 'text/html', PAGE)
  node.route('GET /client.min.js', 'text/javascript', client)
  const { page, logged } = await openPage(`http://127.0.0.1:${node.port}/`)
  await heard(page, list => list.includes('caught up'))
  return { database, page, logged }
}

/** What the handlers of the page received, once it fits. */
async function heard(page: Page, fits: (list: string[]) => boolean): Promise<string[]> {
  const read = () => page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard)
  await expect.poll(async () => fits(await read()), { timeout: 20_000 }).toBe(true)
  return await read()
}

const users = (page: Page) =>
  page.evaluate(() =>
    [...(globalThis as unknown as { users: { id: number; name: string }[] }).users].map(({ name }) => name),
  )

test('a page that was offline receives what it missed, in order', { timeout: 60_000 }, async () => {
  const { database, page } = await open()
  await database.query(`insert into "user" (id, name) values (1, 'ann')`)
  await heard(page, list => list.includes('created 1 ann'))
  await page.context().setOffline(true)
  // Chromium keeps open WebSockets: the network is gone for the next one.
  await page.evaluate(() => (globalThis as unknown as Sails).io.socket._raw.io.engine.close())
  await page.waitForFunction(() => (globalThis as unknown as Sails).changes.state === 'disconnected')
  await database.query(`insert into "user" (id, name) values (2, 'bob')`)
  await database.query(`update "user" set name = 'eve' where id = 1`)
  await database.query(`update "user" set name = 'bill' where id = 2`)
  await page.context().setOffline(false)
  const list = await heard(page, each => each.filter(line => line === 'caught up').length > 1)
  expect(list.filter(line => line !== 'caught up')).toEqual([
    'created 1 ann',
    'created 2 bob',
    'updated 1 eve',
    'updated 2 bill',
  ])
  await expect.poll(() => users(page)).toEqual(['eve', 'bill'])
})

test('a page that is loaded again receives what it missed meanwhile', { timeout: 60_000 }, async () => {
  const { database, page, logged } = await open()
  await database.query(`insert into "user" (id, name) values (1, 'ann')`)
  await heard(page, list => list.includes('created 1 ann'))
  const url = page.url()
  await page.goto('about:blank')
  await database.query(`insert into "user" (id, name) values (2, 'bob')`)
  await page.goto(url)
  const list = await heard(page, each => each.includes('caught up'))
  expect(list).toEqual(['created 1 ann', 'created 2 bob', 'caught up'])
  await expect.poll(() => users(page)).toEqual(['ann', 'bob'])
  expect(logged.filter(line => line.startsWith('page error'))).toEqual([])
})

interface Sails {
  readonly io: { readonly socket: { readonly _raw: { readonly io: { readonly engine: { close(): void } } } } }
  readonly changes: { readonly state: string }
}
