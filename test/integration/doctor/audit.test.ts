import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { audit } from '../../../src/doctor/audit.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { parseOptions } from '../../../src/options.ts'
import { pauseModels } from '../../../src/pipeline/pauses.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop } from '../feed/fixture.ts'

async function openAuditedShop() {
  const shop = await openInstalledShop()
  const feed = shop.feed()
  const { connectionString } = shop.database
  const settings = parseOptions({ connectionString, collections: shop.collections })
  const models = selectModels(readModels(settings.collections), settings.models)
  const db = openDatabase({ ...settings.connection, applicationName: 'audit' }, settings.schema)
  afterScope(() => db.close())
  const examine = (waitMs = 10_000) => audit(db, settings, models, { since: '10m', waitMs })
  return { feed, db, examine, sql: (text: string) => shop.database.query(text), connect: () => shop.database.connect() }
}

test('published changes: complete, while another transaction is still open', async () => {
  const { feed, sql, connect, examine } = await openAuditedShop()
  await feed.start()
  await sql(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`)
  await sql(`update pet set name = 'lea' where id = 1`)
  const client = await connect()
  await client.query(`begin; insert into pet (id, name) values (3, 'not committed')`)
  expect(await examine()).toEqual({
    complete: true,
    models: [{ identity: 'pet', changes: 3, unpublished: 0 }],
    gaps: [],
    findings: [],
  })
})

test('changes that no listener has published: a finding, until one has', async () => {
  const { feed, sql, examine } = await openAuditedShop()
  await sql(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`)
  const before = await examine(0)
  expect(before).toMatchObject({ complete: false, models: [{ identity: 'pet', changes: 2, unpublished: 2 }] })
  expect(before.findings).toEqual([
    { check: 'published', severity: 'error', message: expect.stringMatching(/not published.*: pet 2/) },
  ])
  await feed.start()
  expect(await examine()).toMatchObject({ complete: true, findings: [] })
})

test('a change while a trigger was disabled: a finding, and once capture is back a declared gap', async () => {
  const { feed, sql, examine } = await openAuditedShop()
  await feed.start()
  await sql('alter table pet disable trigger user')
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  const off = await examine()
  expect(off.complete).toBe(false)
  expect(off.findings.map(({ check }) => check)).toEqual(['triggers'])
  await feed.install()
  await eventually(async () => {
    const { complete, gaps } = await examine()
    expect(complete).toBe(true)
    expect(gaps).toContainEqual(expect.objectContaining({ identity: 'pet', reason: expect.any(String) }))
  })
})

test('a backlog that was skipped: a finding until clients have been told', async () => {
  const { feed, db, sql, examine } = await openAuditedShop()
  await db.kysely.updateTable('consumer').set({ gap: 'gap' }).where('name', '=', 'publisher').execute()
  expect((await examine(0)).findings).toEqual([
    { check: 'published', severity: 'error', message: expect.stringMatching(/have not been told/) },
  ])
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  await feed.start()
  await eventually(async () => expect((await examine(0)).complete).toBe(true))
})

test('a change that could not be logged, and a paused model: gaps', async () => {
  const { feed, db, sql, examine } = await openAuditedShop()
  await feed.start()
  await pauseModels(db, ['user'])
  await sql(`insert into pet (id, name) values (1, 'rex')`)
  await sql(`update changefeed.change set defect = '54000' where operation = 'I'`)
  const { complete, gaps } = await examine()
  expect(complete).toBe(true)
  expect(gaps.map(({ identity, reason, changes }) => [identity, reason, changes])).toEqual([
    ['pet', 'defect', 1],
    ['user', 'paused', 0],
  ])
})

test('a window that begins before the change log is refused', async () => {
  const { sql, examine } = await openAuditedShop()
  await sql('update changefeed.state set oldest_tick = 1')
  await expect(examine()).rejects.toMatchObject({ code: 'E_USAGE' })
})
