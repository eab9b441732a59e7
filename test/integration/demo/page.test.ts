import pg from 'pg'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { SQL_ROLE } from '../../../src/demo/sql-role.ts'
import type { Demo } from '../../../src/demo/start-demo.ts'
import { openPage } from '../../helpers/browser.ts'
import { eventually } from '../../helpers/eventually.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { beforeAllWith } from '../../helpers/need.ts'
import { portOf, startTestDemo } from './demo-server.ts'

let dataDir: string
let demo: Demo
let page: Page
let logged: string[]

beforeAllWith('browser', async () => {
  dataDir = `${await scratchFolder()}/data`
  demo = await startTestDemo({ dataDir })
  ;({ page, logged } = await openPage(demo.url))
  await live()
})

const row = (model: string, text: string) =>
  page.locator(`[data-model="${model}"] tbody tr:not(.destroyed)`, { hasText: text })
const message = (text: string | RegExp) => page.locator('#feed .messages li', { hasText: text })
const score = (pane: 'alone' | 'feed') => page.locator(`#${pane} .score`)
const cardText = (model: string) => page.locator(`.card[data-model="${model}"]`).innerText()

async function live() {
  await page.locator('#state[data-state="live"]').waitFor()
  await row('account', 'Grace').waitFor()
}

async function run(sql: string) {
  if (!(await page.getByLabel('SQL to run').isVisible())) await page.getByText('Write your own SQL').click()
  await page.getByLabel('SQL to run').fill(sql)
  await page.keyboard.press('Control+Enter')
}

test('a write by psql reaches the socket of the feed, not the one of blueprints; a rollback reaches neither', async () => {
  await page.getByRole('button', { name: 'As psql' }).click()
  await score('feed').getByText('2 messages from the last write').waitFor()
  expect(await score('alone').innerText()).toBe('0 messages from the last write')
  await row('pet', 'Nala').waitFor()

  await page.getByRole('button', { name: 'As the app' }).click()
  await score('feed').getByText('2 messages').waitFor()
  await score('alone').getByText('2 messages').waitFor()

  await page.getByRole('button', { name: 'Rolled back' }).click()
  await page.locator('#outcome', { hasText: 'ROLLBACK' }).waitFor()
  await page.getByRole('button', { name: 'As a cron job' }).click()
  await score('feed').getByText('2 messages').waitFor() // two accounts, and no pets
  expect(await score('alone').innerText()).toBe('0 messages from the last write')
})

test('Clear empties both panes and the statistics of the last minute', async () => {
  await eventually(async () => expect(await page.locator('#message-count').innerText()).toBe('6'))
  await page.getByRole('button', { name: 'Clear messages' }).click()
  expect(await page.locator('.messages li').count()).toBe(0)
  expect(await page.locator('#message-count').innerText()).toBe('0')
  expect(await page.locator('#median').innerText()).toBe('–')
})

test('Reset restores the initial data', async () => {
  await page.getByRole('button', { name: 'Reset data' }).click()
  await page.getByText('The data has been reset.').waitFor()
  await row('pet', 'Nala').waitFor({ state: 'detached' })
  await row('pet', 'Tilda').waitFor()
  await row('account', 'Grace').waitFor()
})

test('a second window works independently', async () => {
  const [second] = await Promise.all([
    page.context().waitForEvent('page'),
    page.getByRole('link', { name: 'Open a second window' }).click(),
  ])
  await second.locator('#state[data-state="live"]').waitFor()
  await second.close()
})

test('the command for psql connects as the role of the page', async () => {
  const command = await page.locator('#psql').innerText()
  const connectionString = /'(postgres:.*)'$/.exec(command)?.[1]
  const client = new pg.Client({ connectionString })
  await client.connect()
  const { rows } = await client.query('select current_user as role').finally(() => client.end())
  expect(rows).toEqual([{ role: SQL_ROLE }])
})

test('a new row is scrolled into view', async () => {
  await run(`insert into pets (name, kind) select 'Fish ' || n, 'fish' from generate_series(1, 30) as n`)
  const last = row('pet', 'Fish 30')
  await last.waitFor()
  const isInView = () =>
    last.evaluate(element => {
      const card = element.closest('.scroll')?.getBoundingClientRect()
      const place = element.getBoundingClientRect()
      return card !== undefined && place.top >= card.top && place.bottom <= card.bottom + 1
    })
  await eventually(async () => expect(await isInView()).toBe(true))
  await run(`delete from pets where kind = 'fish'`)
  await last.waitFor({ state: 'detached' })
})

test('SQL of the page updates records and messages', async () => {
  await run(`insert into pets (name, kind, owner_id) values ('Nala <b>', 'cat', 1)`)
  await row('pet', 'Nala <b>').waitFor()
  await row('user', 'Ada').locator('.tag', { hasText: 'Nala <b>' }).waitFor()
  await message(/created.*Nala <b>/s)
    .locator('.latency', { hasText: 'ms' })
    .waitFor()
  await message(/user 1 pets \+ \d+/)
    .first()
    .waitFor()
  expect(await page.locator('#outcome').innerText()).toMatch(/^INSERT, 1 row · /)

  await page.getByRole('button', { name: 'Link' }).click()
  await row('course', 'Abstract algebra').locator('.tag', { hasText: 'Ada' }).waitFor()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await row('user', 'Alan').waitFor({ state: 'detached' })
  await row('course', 'Analytical engines').locator('.tag', { hasText: 'Alan' }).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Transaction' }).click()
  await row('user', 'Barbara').locator('.tag', { hasText: 'Clu' }).waitFor()

  await page.getByRole('button', { name: 'Secrets' }).click()
  await page.locator('.result').getByText('password_hash').waitFor()
  expect(await page.locator('#feed .messages').innerText()).not.toMatch(/pin|password|card/i)
  expect(await cardText('account')).not.toContain('1843')

  await page.getByRole('button', { name: 'Truncate' }).click()
  await page.locator('.card[data-model="pet"] .empty').waitFor()
  expect(await cardText('pet')).toContain('There are no pets.')
  expect(logged).toEqual([])
})

test('offline, both panes are silent; online, the feed hands over what was missed, in order', async () => {
  await page.getByRole('button', { name: 'Go offline' }).click()
  await page.locator('#state[data-state="offline"]').waitFor()
  await page.getByRole('button', { name: 'Clear messages' }).click()
  await run(`insert into pets (name, kind) values ('Nemo', 'fish'); update pets set name = 'Dory' where name = 'Nemo'`)
  await page.locator('#outcome', { hasText: 'UPDATE' }).waitFor()
  expect(await page.locator('.messages li').count()).toBe(0)
  await page.getByRole('button', { name: 'Go online' }).click()
  await page.locator('#caught-up', { hasText: 'Caught up: 2 missed messages, in order.' }).waitFor()
  await row('pet', 'Dory').waitFor()
  expect(await page.locator('#feed .messages .verb').allInnerTexts()).toEqual(['updated', 'created'])
  expect(await page.locator('#feed .messages .latency').allInnerTexts()).toEqual(['missed', 'missed'])
  expect(await page.locator('#alone .messages li').count()).toBe(0)
  expect(logged).toEqual([])
})

test('an error is shown as text, with its position', async () => {
  await run('select *\nfrom "<img src=x>"')
  const error = page.getByRole('alert')
  await error.waitFor()
  expect(await error.innerText()).toBe('relation "<img src=x>" does not exist\nfrom "<img src=x>"\n     ^')
})

test('a page reports that the demo has stopped, and reloads when the demo is back', async () => {
  await demo.stop()
  await page.locator('#state', { hasText: 'Reconnecting' }).waitFor()
  await run('select 1')
  await page.locator('#sql-results', { hasText: 'No response from the demo. Is it still running?' }).waitFor()

  await startTestDemo({ dataDir, port: portOf(demo) })
  await live()
  await run(`update users set city = 'Cambridge' where name = 'Ada'`)
  await row('user', 'Cambridge').waitFor()
})

test('the page fits a phone', async () => {
  await page.setViewportSize({ width: 360, height: 740 })
  const width = await page.evaluate('document.documentElement.scrollWidth')
  expect(width).toBe(360)
})
