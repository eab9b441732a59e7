import { expect, test } from 'vitest'
import { storedName } from '../../../src/db/stored-name.ts'
import { testDatabase } from '../../helpers/database.ts'

test('truncates a name as Postgres does', async () => {
  const database = await testDatabase()
  const names = [
    'id',
    'x'.repeat(63),
    'x'.repeat(64),
    'é'.repeat(40),
    `a${'é'.repeat(40)}`,
    '日本'.repeat(30),
    '🐕'.repeat(20),
  ]
  for (const name of names) {
    await database.query(`create table "${name}" (id int)`)
    const [row] = await database.query(`select relname::text as it from pg_class where oid = '"${name}"'::regclass`)
    expect(storedName(name)).toBe(row?.it)
    await database.query(`drop table "${name}"`)
  }
})
