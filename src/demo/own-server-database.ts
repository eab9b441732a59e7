import { type Client, connectClient } from '../db/connect.ts'
import { SQLSTATE, sqlstateOf } from '../db/sqlstate.ts'
import { ChangefeedError } from '../errors.ts'
import type { DemoDatabase } from './demo-database.ts'
import { withClient } from './with-client.ts'

const SCHEMA = 'changefeed_demo'
const FEED_SCHEMA = 'changefeed_demo_feed'
const MARK = 'Made by the demo of waterline-changefeed, which removes it when it ends'

/**
 * Creates two schemas on the user's server and drops them at the end. Nothing else is changed. The connection stays open
 * with a lock that prevents a second demo.
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
      await client.end().catch(() => {}) // the connection may be lost
    },
  }
}

async function claim(client: Client) {
  const lock = await client.query<{ mine: boolean }>('select pg_try_advisory_lock(hashtext($1)) as mine', [SCHEMA])
  if (!lock.rows[0]?.mine) {
    throw new ChangefeedError(
      'E_STATE',
      'A demo is already running on this database. Stop it, or choose another database.',
    )
  }
  const { rows } = await client.query<{ name: string }>(
    `select nspname as name from pg_namespace
     where nspname = any($1) and obj_description(oid, 'pg_namespace') is distinct from $2`,
    [[SCHEMA, FEED_SCHEMA], MARK],
  )
  if (rows[0]) throw notOurs(rows[0].name)
  await client.query(drop) // left by a demo that was killed
  for (const schema of [SCHEMA, FEED_SCHEMA]) {
    await client.query(`create schema ${schema}; comment on schema ${schema} is '${MARK}'`)
  }
}

const drop = `drop schema if exists ${SCHEMA}, ${FEED_SCHEMA} cascade`

const notOurs = (schema: string) =>
  new ChangefeedError(
    'E_STATE',
    `The database has a schema ${schema} that was not created by the demo, so the demo does not use it. Rename it, or choose another database in DATABASE_URL.`,
  )

const noRights = (cause: unknown) =>
  new ChangefeedError(
    'E_PRIVILEGE',
    'The role of DATABASE_URL may not create a schema. Grant it CREATE on the database, or unset DATABASE_URL to use an embedded Postgres.',
    { cause },
  )
