import { expect, test } from 'vitest'
import { migrationsFor } from '../../../migrations/index.ts'
import { connectClient } from '../../../src/db/connect.ts'
import { migrateSchema, pendingMigrations } from '../../../src/db/migrate.ts'
import { testDatabase } from '../../helpers/database.ts'

const settings = (connectionString: string) => ({ connectionString, applicationName: 'test' })

async function pending(connectionString: string, schema: string): Promise<string[]> {
  const client = await connectClient(settings(connectionString), () => {})
  return await pendingMigrations(client, { schema }).finally(() => client.end())
}

test.each(['changefeed', 'Odd "Sch'])(
  'eight processes create the schema %s concurrently; later ones have nothing to do',
  async schema => {
    const { connectionString } = await testDatabase()
    const names = Object.keys(migrationsFor(schema))
    expect(await pending(connectionString, schema)).toEqual(names)
    const runs = await Promise.all(Array.from({ length: 8 }, () => migrateSchema(settings(connectionString), schema)))
    expect(runs.flat().sort()).toEqual(names.sort())
    expect(await pending(connectionString, schema)).toEqual([])
    expect(await migrateSchema(settings(connectionString), schema)).toEqual([])
  },
)

test('other roles have no access to the schema', async () => {
  const database = await testDatabase()
  const role = await database.role()
  await migrateSchema(settings(database.connectionString), 'changefeed')
  await database.query('grant usage on schema changefeed to public') // must not help
  const tables = await database.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     where relnamespace = 'changefeed'::regnamespace and relkind in ('r', 'p', 'S') and relname not like 'migration%'`,
  )
  expect(tables.length).toBeGreaterThan(15)
  for (const { name } of tables) {
    const [row] = await database.query<{ may: boolean }>(`select has_table_privilege($1, $2, 'select') as may`, [
      role.name,
      name,
    ])
    expect(row?.may, name).toBe(false)
  }
})

test('a role that may not create a schema gets an error with the grant, and creates nothing', async () => {
  const database = await testDatabase()
  const role = await database.role()
  await expect(migrateSchema(settings(role.connectionString), 'changefeed')).rejects.toMatchObject({
    code: 'E_PRIVILEGE',
    message: expect.stringContaining('grant create on database'),
  })
  expect(await database.query(`select from pg_namespace where nspname = 'changefeed'`)).toEqual([])
})

test('a schema of a newer version is refused', async () => {
  const database = await testDatabase()
  await migrateSchema(settings(database.connectionString), 'changefeed')
  await database.query(`insert into changefeed.migration (name, timestamp) values ('9999_future', '')`)
  await expect(pending(database.connectionString, 'changefeed')).rejects.toMatchObject({
    code: 'E_VERSION',
  })
})
