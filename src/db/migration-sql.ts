import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { migrationsFor } from '../../migrations/index.ts'
import { quoteName } from './quote.ts'

/** Renders the statements of these migrations as text. Runs nothing. */
export async function migrationSql(schema: string, names: readonly string[]): Promise<string[]> {
  const statements: string[] = []
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: database => new PostgresIntrospector(database),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log: ({ query }) => void statements.push(query.sql.trim()),
  })
  const migrations = migrationsFor(schema)
  for (const name of names) await migrations[name]?.up(db)
  return names.length === 0 ? [] : [`create schema if not exists ${quoteName(schema)}`, ...statements, CLOSING]
}

const CLOSING = '-- for each object created above: revoke all privileges from every role except its owner'
