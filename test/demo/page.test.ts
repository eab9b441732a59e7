import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import type { Demo } from '../../src/cli/demo/start-demo.ts'
import { openPage } from '../helpers/browser.ts'
import { scratchFolder } from '../helpers/folder.ts'
import { beforeAllWith } from '../helpers/need.ts'
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

const row = (model: string, text: string) => page.locator(`[data-model="${model}"] tbody tr`, { hasText: text })
const message = (text: string) => page.locator('#messages li', { hasText: text })
const cardText = (model: string) => page.locator(`.card[data-model="${model}"]`).innerText()

async function live() {
  await page.locator('#state[data-state="live"]').waitFor()
  await row('account', 'Grace').waitFor()
}

async function run(sql: string) {
  await page.getByLabel('SQL to run').fill(sql)
  await page.keyboard.press('Control+Enter')
}

test('SQL that is typed into the page comes back as records and messages', async () => {
  await run(`insert into pets (name, kind, owner_id) values ('Nala <b>', 'cat', 1)`)
  await row('pet', 'Nala <b>').waitFor()
  await row('user', 'Ada').locator('.tag', { hasText: 'Nala <b>' }).waitFor()
  await message('created').locator('.latency', { hasText: 'ms' }).waitFor()
  await message('user 1 pets + 5').waitFor()
  expect(await page.locator('#sql-outcome').innerText()).toMatch(/^INSERT, 1 row · /)

  await page.getByRole('button', { name: 'Link' }).click()
  await row('course', 'Abstract algebra').locator('.tag', { hasText: 'Ada' }).waitFor()
  await page.getByRole('button', { name: 'Delete' }).click()
  await row('user', 'Alan').waitFor({ state: 'detached' })
  await row('course', 'Analytical engines').locator('.tag', { hasText: 'Alan' }).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Transaction' }).click()
  await row('user', 'Barbara').locator('.tag', { hasText: 'Clu' }).waitFor()

  await page.getByRole('button', { name: 'Secrets' }).click()
  await page.locator('.result').getByText('password_hash').waitFor()
  expect(await page.locator('#messages').innerText()).not.toMatch(/pin|password|card/i)
  expect(await cardText('account')).not.toContain('1843')

  await page.getByRole('button', { name: 'Truncate' }).click()
  await page.locator('.card[data-model="pet"] .empty').waitFor()
  expect(await cardText('pet')).toContain('No pets left.')
  expect(logged).toEqual([])
})

test('an error is shown as text, at its place', async () => {
  await run('select *\nfrom "<img src=x>"')
  const error = page.getByRole('alert')
  await error.waitFor()
  expect(await error.innerText()).toBe('relation "<img src=x>" does not exist\nfrom "<img src=x>"\n     ^')
})

test('a page outlives the demo: it says so, and reads again when the demo is back', async () => {
  await demo.stop()
  await page.locator('#state', { hasText: 'Reconnecting' }).waitFor()
  await run('select 1')
  await page.getByText('The demo does not answer. Is it still running?').waitFor()

  await startTestDemo({ dataDir, port: portOf(demo) })
  await live()
  await run('select 1')
  await page.getByText('The demo was started anew: load the page again.').waitFor()
  await page.reload()
  await live()
  await run(`update users set city = 'Cambridge' where name = 'Ada'`)
  await row('user', 'Cambridge').waitFor()
})

test('it fits a phone', async () => {
  await page.setViewportSize({ width: 360, height: 740 })
  const width = await page.evaluate('document.documentElement.scrollWidth')
  expect(width).toBe(360)
})
