import { expect, test } from 'vitest'
import { connectClient, openDatabase } from '../../../src/db/connect.ts'
import { migrateSchema } from '../../../src/db/migrate.ts'
import { assertReadable } from '../../../src/db/server-url.ts'
import { testDatabase } from '../../helpers/database.ts'
import { afterScope } from '../../helpers/scope.ts'

const applicationName = 'test'
const everything = (error: unknown) => JSON.stringify(error, Object.getOwnPropertyNames(error as object))

test.each([
  'postgres://ann:s3/cret@127.0.0.1/shop',
  'postgres://ann:12/s3cret@127.0.0.1/shop',
  'postgres://ann:s3?cret@127.0.0.1/shop',
  'postgres://ann:s3#cret@127.0.0.1/shop',
  'postgres://ann:s3%cret@127.0.0.1/shop',
  'postgresql://ann:s3%@cret@127.0.0.1/shop',
])('%s: the error names the unencoded password as the cause without showing it', async connectionString => {
  const settings = { connectionString, applicationName }
  for (const attempt of [
    () => connectClient(settings, () => {}),
    async () => openDatabase(settings, 'changefeed'),
    () => migrateSchema(settings, 'changefeed'),
  ]) {
    const error = await attempt().then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({ code: 'E_CONNECT', message: expect.stringMatching(/percent-encode/) })
    expect(everything(error)).not.toMatch(/s3|cret|127/)
  }
})

test.each([
  'postgres://ann:s3%2Fcret@127.0.0.1:5432/shop',
  'postgres://127.0.0.1:5432/shop?user=ann@home&password=a',
  'postgres:///shop?host=/run/postgresql',
  'postgres://ann@/shop?host=/run/postgresql',
  'socket:/run/postgresql?db=shop',
])('%s is accepted', connectionString => expect(() => assertReadable(connectionString)).not.toThrow())

test('a pool reports a failed connection with the same error as a single connection', async () => {
  const database = await testDatabase()
  for (const [part, wrong] of [
    ['pathname', '/nowhere'],
    ['port', '1'],
  ] as const) {
    const url = new URL(database.connectionString)
    url[part] = wrong
    const db = openDatabase({ connectionString: url.href, applicationName }, 'changefeed')
    afterScope(() => db.close())
    const refused = { code: 'E_CONNECT', message: expect.stringMatching(/^Cannot connect to Postgres: /) }
    await expect(db.pool.query('select 1')).rejects.toMatchObject(refused)
    await expect(db.kysely.selectFrom('state').selectAll().execute()).rejects.toMatchObject(refused)
  }
})
