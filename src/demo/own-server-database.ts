import { type Client, connectClient } from '../db/connect.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import { ChangefeedError } from '../errors.ts'
import type { DemoDatabase } from './demo-database.ts'
import { withClient } from './with-client.ts'

const SCHEMA = 'changefeed_demo'
const FEED_SCHEMA = 'changefeed_demo_feed'
const MARK = 'Made by the demo of waterline-changefeed, which removes it when it ends'

/**
 * Two schemas of the demo's own on a server of the user's. Nothing else there is touched, and both are gone at the end.
 * The connection is held all the while, with a lock that keeps a second demo out.
 */
export async function ownServerDatabase(connectionString: string): Promise<DemoDatabase> {
  const client = await connectClient({ connectionString, applicationName: 'waterline-changefeed demo' }, () => {})
  try {
    await claim(client)
  } catch (error) {
    await client.end().catch(() => {})
    throw sqlstateOf(error) === SQLSTATE.insufficientPrivilege ? noRights(error) : error
  }
  return {
    kind: 'own server',
    connectionString,
    schema: SCHEMA,
    feedSchema: FEED_SCHEMA,
    description: `the server of DATABASE_URL, schemas ${SCHEMA} and ${FEED_SCHEMA}, removed at the end`,
    openSqlBox: null,
    async close() {
      await withClient(connectionString, other => other.query(drop))
      await client.end().catch(() => {}) // it may have been lost long ago
    },
  }
}

async function claim(client: Client) {
  const lock = await client.query<{ mine: boolean }>('select pg_try_advisory_lock(hashtext($1)) as mine', [SCHEMA])
  if (!lock.rows[0]?.mine) {
    throw new ChangefeedError('E_STATE', 'A demo runs on this database already: stop it, or name another database.')
  }
  const { rows } = await client.query<{ name: string }>(
    `select nspname as name from pg_namespace
     where nspname = any($1) and obj_description(oid, 'pg_namespace') is distinct from $2`,
    [[SCHEMA, FEED_SCHEMA], MARK],
  )
  if (rows[0]) throw notOurs(rows[0].name)
  await client.query(drop) // what a demo left that was killed
  for (const schema of [SCHEMA, FEED_SCHEMA]) {
    await client.query(`create schema ${schema}; comment on schema ${schema} is '${MARK}'`)
  }
}

const drop = `drop schema if exists ${SCHEMA}, ${FEED_SCHEMA} cascade`

const notOurs = (schema: string) =>
  new ChangefeedError(
    'E_STATE',
    `The database has a schema ${schema} that the demo has not made, and so leaves alone: rename it, or name another database in DATABASE_URL.`,
  )

const noRights = (cause: unknown) =>
  new ChangefeedError(
    'E_PRIVILEGE',
    'The role of DATABASE_URL may not create a schema: grant it create on the database, or leave DATABASE_URL away for an embedded Postgres.',
    { cause },
  )
