import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { listPauses } from '../../../src/pipeline/pauses.ts'
import { openPage } from '../../helpers/browser.ts'
import { eventually } from '../../helpers/eventually.ts'
import { summary } from '../feed/fixture.ts'
import { type FixtureOptions, holdingPublisher, openMonitor, TOKEN } from './fixture.ts'

const NARROW = 375
const WIDER = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

/** A browser on the status page, signed in if there is a token. */
async function openStatusPage(options: FixtureOptions = {}) {
  const monitor = await openMonitor({ token: TOKEN, ...options })
  await monitor.feed.start()
  const { page, logged } = await openPage(monitor.url)
  if (await page.locator('#token').isVisible()) {
    await page.fill('#token', TOKEN)
    await page.getByRole('button', { name: 'Show the status' }).click()
  }
  await page.locator('#models tr').first().waitFor()
  return { ...monitor, page, logged }
}

const dialog = (page: Page) => page.getByRole('dialog')
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name })
const model = (page: Page, identity: string) => page.locator('#models tr', { hasText: identity })

/** Submits the dialog, with the token if it is requested, and waits until it is closed. */
async function confirm(page: Page, name: string | RegExp) {
  const token = dialog(page).getByLabel(/Token/)
  const submit = dialog(page).getByRole('button', { name })
  await submit.waitFor()
  if (await token.isVisible()) await token.fill(TOKEN)
  await submit.click()
  await dialog(page).waitFor({ state: 'hidden' })
}

test('without a token there are no buttons, and the page names the setting', async () => {
  const { page, logged } = await openStatusPage({ token: undefined })
  expect(await page.locator('#locked').innerText()).toContain('CHANGEFEED_TOKEN')
  expect(await page.getByRole('button').count()).toBe(0)
  expect(logged).toEqual([])
})

test('Pause and Resume of a model', async () => {
  const { page, shop, db } = await openStatusPage()
  await button(page, 'Pause pet').click()
  await confirm(page, 'Pause pet')
  await model(page, 'pet')
    .getByText(/paused since .*, 0 changes passed over/)
    .waitFor()
  expect(await listPauses(db)).toMatchObject([{ identity: 'pet', resumedAt: null }])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'); insert into "user" (id) values (1)`)
  await eventually(() => expect(summary(shop.published)).toContain('created user 1'))
  await model(page, 'pet')
    .getByText(/, 1 change passed over/)
    .waitFor()

  await button(page, 'Resume pet').click()
  expect(await dialog(page).innerText()).toContain('1 change was passed over')
  await confirm(page, 'Resume pet')
  await button(page, 'Pause pet').waitFor()
  await eventually(() => expect(summary(shop.published)).toContain('refetch pet'))
  expect(summary(shop.published)).not.toContain('created pet 1')
  expect(await listPauses(db)).not.toMatchObject([{ resumedAt: null }])
})

test('a wrong token is reported at its field and can be replaced, and a right one is requested once', async () => {
  const { page, db } = await openStatusPage()
  await button(page, 'Pause pet').click()
  const token = dialog(page).getByLabel(/Token/)
  await dialog(page).getByRole('button', { name: 'Pause pet' }).click()
  await page.locator('#operation-token-error', { hasText: 'Enter the token.' }).waitFor()
  await token.fill('wrong')
  await page.keyboard.press('Enter')
  await page.locator('#operation-token-error', { hasText: 'Wrong token.' }).waitFor()
  expect([await token.getAttribute('aria-invalid'), await listPauses(db)]).toEqual(['true', []])
  await page.locator('#operation-token:focus').waitFor()
  await page.keyboard.type(TOKEN) // replaces the wrong one, which is selected
  await page.keyboard.press('Enter')
  await button(page, 'Resume pet').waitFor()
  await button(page, 'Pause user').click()
  expect(await token.isVisible()).toBe(false)
  await confirm(page, 'Pause user')
  await button(page, 'Resume user').waitFor()
  expect((await listPauses(db)).map(({ identity }) => identity)).toEqual(['pet', 'user'])
})

test('Cancel changes nothing', async () => {
  const { page, db } = await openStatusPage()
  await button(page, 'Pause pet').click()
  await dialog(page).getByLabel(/Token/).fill(TOKEN)
  await dialog(page).getByRole('button', { name: 'Cancel' }).click()
  await dialog(page).waitFor({ state: 'hidden' })
  expect(await listPauses(db)).toEqual([])
})

test('Replay counts first, counts again for a changed request, and publishes the counted changes', async () => {
  const { page, shop, feed, replayed, logged } = await openStatusPage()
  await shop.database.query(`insert into pet (id) values (1), (2); insert into "user" (id) values (1)`)
  await feed.settled()
  await button(page, 'Replay').click()
  await dialog(page).getByLabel(/Token/).fill(TOKEN)
  const count = dialog(page).getByRole('button', { name: 'Count changes' })
  const since = dialog(page).getByLabel('Since')
  await since.fill('yesterday')
  await count.click()
  await page
    .getByRole('alert')
    .getByText(/neither a cursor, nor a time/)
    .waitFor()
  await since.fill('1h')
  await count.click()
  await dialog(page).getByRole('button', { name: 'Replay 3 changes' }).waitFor()
  await dialog(page).getByLabel('user').uncheck()
  await count.click()
  await dialog(page).getByRole('button', { name: 'Replay 2 changes' }).waitFor()
  expect(await page.locator('#operation-result tbody').innerText()).toMatch(/^pet\s+inserted\s+2$/)
  expect(replayed).toEqual([])
  await confirm(page, 'Replay 2 changes')
  await page.getByText(/Replay of pet finished at .*: 2 of 2 changes sent/).waitFor()
  expect(summary(replayed)).toEqual(['created pet 1', 'created pet 2'])
  expect(replayed.every(({ meta }) => meta.replayed)).toBe(true)
  expect(logged.filter(line => line !== '')).toEqual([]) // the browser's own message about the rejected request has no values
})

test('Stop ends a running replay', async () => {
  const { publisher, ids, started, letGo } = holdingPublisher()
  const { page, shop, feed } = await openStatusPage({ publisher })
  await shop.database.query(`insert into pet (id) values (1), (2)`)
  await feed.settled()
  await button(page, 'Replay').click()
  await dialog(page).getByLabel(/Token/).fill(TOKEN)
  await dialog(page).getByRole('button', { name: 'Count changes' }).click()
  await confirm(page, 'Replay 2 changes')
  await started
  await page.getByText('Replay of pet, user: 0 of 2 changes sent').waitFor()
  await button(page, 'Stop').click()
  await dialog(page).getByRole('button', { name: 'Stop the replay' }).click()
  await page.getByText('Stopping the replay of pet, user').waitFor()
  letGo()
  await page.getByText(/Replay of pet, user was stopped at/).waitFor()
  expect(ids).toEqual([1])
})

test('named consumers are listed with their lag, once there are any', async () => {
  const { page, shop, feed, logged } = await openStatusPage()
  expect(await page.locator('#consumers-panel').isVisible()).toBe(false)
  const consumer = feed.consume({ name: 'search-index' })
  const changes = consumer[Symbol.asyncIterator]()
  const first = changes.next()
  await page.locator('#consumers tr', { hasText: 'search-index' }).getByText('yes').waitFor()
  await shop.database.query('insert into pet (id) values (1), (2)')
  await first
  await page.locator('#consumers tr').getByText(/^2$/).waitFor()
  await changes.return?.()
  await page.locator('#consumers tr').getByText('no', { exact: true }).waitFor()
  expect(logged).toEqual([])
})

test('buttons and dialogs fit the page on a phone', async () => {
  const { page } = await openStatusPage()
  await page.setViewportSize({ width: NARROW, height: 740 })
  await eventually(async () => expect(await page.evaluate(WIDER)).toBe(0))
  for (const name of ['Pause pet', 'Pause user', 'Replay', 'Sign out']) {
    const box = await button(page, name).boundingBox()
    expect(box?.x).toBeGreaterThan(0)
    expect((box?.x ?? 0) + (box?.width ?? NARROW)).toBeLessThan(NARROW)
  }
  await button(page, 'Replay').click()
  const box = await dialog(page).boundingBox()
  expect([box?.x, (box?.x ?? 0) + (box?.width ?? 0)].map(x => x !== undefined && x > 0 && x < NARROW)).toEqual([
    true,
    true,
  ])
})
