import { randomBytes } from 'node:crypto'
import { listConsumers } from '../change-log/consumers.ts'
import { logBytes } from '../change-log/retention.ts'
import { readTableShapes } from '../db/catalog.ts'
import { type ConnectionSettings, connectClient, type Database } from '../db/connect.ts'
import { type ForeignRight, foreignRights } from '../db/foreign-rights.ts'
import { publicationsOf } from '../db/publications.ts'
import { Installation } from '../installation.ts'
import { deliveryLag } from '../leader/delivery-lag.ts'
import { foreignGateHolders, listenerRoles } from '../leader/gate-holders.ts'
import { readLease } from '../leader/lease.ts'
import { listNodes } from '../leader/nodes.ts'
import type { Models } from '../models/model.ts'
import { suspectedSecrets } from '../models/suspected-secrets.ts'
import type { Settings } from '../options.ts'
import { listPauses } from '../pipeline/pauses.ts'
import type { Inspection, LogState, ModelState, ServerState } from './inspection.ts'
import { readUnindexed } from './unindexed.ts'

const PROBE_MS = 3_000

/** Reads everything that the checks need. Changes nothing. */
export async function inspect(db: Database, settings: Settings, models: Models): Promise<Inspection> {
  const { schema, schemaOwner, retentionMs, backlogLimitBytes, formatCommand } = settings
  const connection = { ...settings.connection, schemaOwner, applicationName: 'waterline-changefeed doctor' }
  const server = await inspectServer(db, connection)
  const plan = await new Installation(settings, models, connection).plan()
  const states = await inspectModels(db, models, settings.collections)
  const shapes = new Map(states.flatMap(({ model, shape }) => (shape ? [[model.identity, shape] as const] : [])))
  return {
    schema,
    formatCommand,
    retentionMs,
    backlogLimitBytes,
    server,
    plan,
    secrets: suspectedSecrets(models, settings.models),
    models: states,
    unindexed: await readUnindexed(db.pool, models, shapes),
    log: plan.migrations.length > 0 || server.standby ? null : await inspectLog(db),
  }
}

async function inspectServer(db: Database, connection: ConnectionSettings): Promise<ServerState> {
  const asked = Date.now()
  const { rows } = await db.pool.query<{ it: string }>(SERVER)
  const middle = (asked + Date.now()) / 2
  const { now, ...found } = JSON.parse(rows[0]?.it ?? '{}')
  return {
    ...found,
    clockAheadMs: now - middle,
    notifies: !found.standby && (await notifies(connection)),
    publications: await publicationsOf(db.pool, db.schema),
  }
}

const SERVER = `
  select pg_catalog.json_build_object(
    'version', pg_catalog.current_setting('server_version_num')::int,
    'standby', pg_catalog.pg_is_in_recovery(),
    'now', extract(epoch from pg_catalog.clock_timestamp()) * 1000,
    'replicaSessions', (
      select coalesce(pg_catalog.json_agg(pg_catalog.concat_ws(' in ',
        'role ' || case setrole when 0 then 'all' else pg_catalog.quote_ident(rolname) end,
        'database ' || pg_catalog.quote_ident(datname))), '[]')
      from pg_catalog.pg_db_role_setting
      left join pg_catalog.pg_roles on pg_roles.oid = setrole
      left join pg_catalog.pg_database on pg_database.oid = setdatabase
      where 'session_replication_role=replica' = any(setconfig)
        and (setdatabase = 0 or datname = pg_catalog.current_database())
    ),
    'subscriptions', (
      select coalesce(pg_catalog.json_agg(pg_catalog.quote_ident(subname)), '[]') from pg_catalog.pg_subscription
      where subdbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
    )
  )::pg_catalog.text as it`

/**
 * Whether notifications arrive. A pooler may assign each statement to another session, so that LISTEN has no effect.
 */
async function notifies(connection: ConnectionSettings): Promise<boolean> {
  const channel = `changefeed_probe_${randomBytes(6).toString('hex')}`
  const client = await connectClient(connection, () => {})
  let timer: NodeJS.Timeout | undefined
  const heard = new Promise<boolean>(resolve => {
    client.on('notification', notification => notification.channel === channel && resolve(true))
    timer = setTimeout(() => resolve(false), PROBE_MS)
  })
  try {
    await client.query(`listen ${channel}`)
    await client.query('select pg_catalog.pg_notify($1, $2)', [channel, ''])
    return await heard
  } finally {
    clearTimeout(timer)
    await client.end()
  }
}

async function inspectModels({ pool }: Database, models: Models, collections: object): Promise<ModelState[]> {
  const all = [...models.values()]
  const shapes = await readTableShapes(
    pool,
    all.map(({ schema, table }) => ({ schema, name: table })),
  )
  const { rows } = await pool.query<{ name: string; schema: string }>(ELSEWHERE, [all.map(({ table }) => table)])
  const own = ownSchemaNames(collections)
  return all.map((model, index) => ({
    model,
    shape: shapes[index],
    elsewhere: rows.filter(row => row.name === model.table && row.schema !== model.schema).map(row => row.schema),
    ownSchemaName: own.get(model.identity),
  }))
}

const ELSEWHERE = `
  select relname::text as name, nspname::text as schema
  from pg_catalog.pg_class join pg_catalog.pg_namespace on pg_namespace.oid = relnamespace
  where relkind in ('r', 'p') and relname = any($1::text[]) and nspname !~ '^pg_'`

/** By identity: the schema name of the model itself, which Waterline ignores. */
function ownSchemaNames(collections: object): Map<string, string> {
  const inside = (collections as { collections?: object }).collections ?? collections
  return new Map(
    Object.values(inside).flatMap((collection: { identity?: string; meta?: { schemaName?: unknown } }) => {
      const name = collection?.meta?.schemaName
      return typeof name === 'string' && collection.identity ? [[collection.identity, name] as const] : []
    }),
  )
}

async function inspectRights(db: Database): Promise<ForeignRight[]> {
  const roles = await listenerRoles(db)
  const rights = await foreignRights(db.pool, db.schema)
  return rights.filter(({ role }) => role === null || !roles.includes(role))
}

async function inspectLog(db: Database): Promise<LogState> {
  const { slot_seconds: slotSeconds } = await db.kysely
    .selectFrom('state')
    .select('slot_seconds')
    .executeTakeFirstOrThrow()
  const nodes = await listNodes(db)
  return {
    lag: await deliveryLag(db, nodes),
    nodes,
    bytes: await logBytes(db),
    slotSeconds,
    leader: await readLease(db),
    gateHolders: await foreignGateHolders(db),
    pauses: await listPauses(db),
    consumers: await listConsumers(db),
    foreignRights: await inspectRights(db),
  }
}
