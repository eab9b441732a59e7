import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { migrationsFor } from '../../migrations/index.ts'
import { quoteName } from './quote.ts'

/** The statements that these migrations run, for people to read. Nothing is run. */
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

const CLOSING = '-- and for each object made above: revoke all on it from every role but its owner'
