import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { migrateSchema } from '../../../src/db/migrate.ts'
import { testDatabase } from '../../helpers/database.ts'

/** The declared column types may be narrower than those of Postgres, but the columns must exist. */
async function declaredColumns(): Promise<Map<string, string[]>> {
  const source = await readFile(new URL('../../../src/db/tables.ts', import.meta.url), 'utf8')
  const [, body = ''] = /export interface Tables \{\n([\s\S]*?)\n\}\n/.exec(source) ?? []
  const tables = [...body.matchAll(/^ {2}(\w+): \{([\s\S]*?)\}$/gm)]
  return new Map(
    tables.map(([, name = '', columns = '']) => [name, [...columns.matchAll(/(\w+):/g)].map(([, it]) => it ?? '')]),
  )
}

test('the row types list the columns that the migrations create', async () => {
  const database = await testDatabase()
  await migrateSchema({ connectionString: database.connectionString, applicationName: 'test' }, 'changefeed')
  const declared = await declaredColumns()
  expect(declared.size).toBeGreaterThan(5)
  for (const [table, columns] of declared) {
    const rows = await database.query<{ name: string }>(
      `select attname as name from pg_attribute
       where attrelid = format('changefeed.%I', $1::text)::regclass and attnum > 0 and not attisdropped`,
      [table],
    )
    expect(columns.sort(), table).toEqual(rows.map(({ name }) => name).sort())
  }
})
