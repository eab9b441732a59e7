import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { suspectedSecrets } from '../../../src/models/suspected-secrets.ts'
import { type ChangefeedOptions, parseOptions } from '../../../src/options.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openMigratedShop, type Shop } from './fixture.ts'

const text = { type: 'string' }

const models = {
  account: {
    attributes: {
      name: text,
      password: { type: 'string', protect: true },
      resetToken: text,
      client_secret: text,
      apiKey: { type: 'json' },
      tokenExpiresAt: { type: 'number' },
      hiddenSecret: text,
      monkey: text,
    },
    customToJSON(this: object) {
      const { hiddenSecret: _, ...shown } = this as Record<string, unknown>
      return shown
    },
  },
}

const openAccounts = () => openMigratedShop({ models })

async function secretsFound(shop: Shop, options: Partial<ChangefeedOptions> = {}) {
  const { collections, database } = shop
  const settings = parseOptions({ connectionString: database.connectionString, collections, ...options })
  const db = openDatabase({ ...settings.connection, applicationName: 'doctor' }, settings.schema)
  afterScope(() => db.close())
  const { findings: found } = await examine(db, settings, selectModels(readModels(collections), settings.models))
  return found.filter(({ check }) => check === 'secrets').map(({ message }) => message)
}

test.each([
  ['are omitted', undefined, 0],
  ['are published where `include` names them', ['password'], 1],
])('marked attributes protect %s', async (_, include, times) => {
  const { database, feed: newFeed, published } = await openAccounts()
  const feed = newFeed({ models: { account: { include } } })
  await feed.install()
  await feed.start()
  await database.query(`insert into account (id, name, password) values (1, 'ada', 'pass-word')`)
  await feed.settled()
  const logged = JSON.stringify(await database.query('select * from changefeed.change'))
  expect(JSON.stringify(published).match(/pass-word/g) ?? []).toHaveLength(times)
  expect(logged.match(/pass-word/g) ?? []).toHaveLength(times)
})

test('attributes named like secrets are listed once at install, and by doctor until they are configured', async () => {
  const shop = await openAccounts()
  const listed =
    /account\.resetToken, account\.client_secret, account\.apiKey\. .*omit: \['resetToken', 'client_secret', 'apiKey'\]/
  const feed = shop.feed()
  expect((await feed.install()).capture.warnings).toEqual([expect.stringMatching(listed)])
  expect((await feed.install()).capture.warnings).toEqual([])
  expect(await secretsFound(shop)).toEqual([expect.stringMatching(listed)])
  const named = { omit: ['resetToken'], include: ['client_secret', 'apiKey'] }
  expect(await secretsFound(shop, { models: { account: named } })).toEqual([])
  const options = new Map([['account', { include: ['resetToken', 'password'] }]])
  const selected = selectModels(readModels(shop.collections), { only: null, except: new Set(), options })
  expect(suspectedSecrets(selected, { options })[0]?.attributes).toEqual(['client_secret', 'apiKey'])
})
