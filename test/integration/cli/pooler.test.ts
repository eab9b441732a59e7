import { expect, test } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import { startPgBouncer } from '../../helpers/pgbouncer.ts'
import { openInstalledShop, openShop, summary } from '../feed/fixture.ts'
import { DEFINITIONS, desk } from './desk.ts'

/** PgBouncer itself sets the application name of the last client of a session. */
const SETTINGS = `select name, setting from pg_settings where name <> 'application_name' order by name`

const REMEDY = /pooler in transaction or statement mode.*to the Postgres server itself, or to a pooler in session mode/

test.each(['transaction', 'statement'] as const)(
  'behind a pooler in %s mode, doctor and start report the pooler and the remedy, and change nothing',
  { timeout: 90_000 },
  async mode => {
    const shop = await openInstalledShop()
    const { connectionString } = await startPgBouncer(shop.database.connectionString, mode)
    const app = await shop.database.connect({ connectionString })
    const settings = async () => (await app.query(SETTINGS)).rows
    const before = await settings()
    const { run } = await desk(
      { DATABASE_URL: connectionString },
      { 'changefeed.config.mjs': `export default { definitions: ${DEFINITIONS} }` },
    )
    const doctor = JSON.parse((await run('doctor', '--json')).text)
    expect(doctor).toEqual({
      healthy: false,
      findings: [{ check: 'pooler', severity: 'error', message: expect.stringMatching(REMEDY) }],
    })
    const start = await run('start', '--adapter', 'postgres')
    expect([start.code, start.text]).toEqual([3, expect.stringMatching(REMEDY)])
    await expect(shop.feed({ connectionString }).start()).rejects.toMatchObject({ code: 'E_POOLER' })
    expect(await settings()).toEqual(before) // includes the session that the feed used
  },
)

test('a feed works behind a pooler in session mode', async () => {
  const shop = await openShop()
  const { connectionString } = await startPgBouncer(shop.database.connectionString, 'session')
  const feed = shop.feed({ connectionString })
  await feed.install()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  expect(summary(shop.published)).toEqual(['created pet 1'])
  await eventually(() => expect(feed.status()).toMatchObject({ role: 'leader', listening: true }))
})
