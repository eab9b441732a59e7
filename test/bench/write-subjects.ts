import pg from 'pg'
import postgres from 'postgres'
import { installCapture, uninstallCapture } from '../../src/capture/apply.ts'
import type { CaptureOptions } from '../../src/capture/capture-options.ts'
import { createChangefeed } from '../../src/changefeed.ts'
import { readModels } from '../../src/models/model-map.ts'

/** A way to find out about writes, set up on the table `bench`. `start` begins to listen; it gives what ends that. */
export interface Subject {
  readonly name: string
  setUp(db: pg.Client): Promise<void>
  start?(connectionString: string): Promise<() => Promise<void>>
}

export const SCHEMA = 'changefeed'

/** A table such as Waterline makes it. */
export const TABLE = `
  create table bench (
    id serial primary key, name text, email text, password text, age real, active boolean,
    "createdAt" bigint, "updatedAt" bigint
  ) with (fillfactor = 50)`

export const fill = (rows: number) => `
  insert into bench (name, email, password, age, active, "createdAt", "updatedAt")
  select 'Name ' || i, 'mail' || i || '@example.com', 'secret ' || i, i % 90, true, 1700000000000 + i, 1700000000000 + i
  from generate_series(1, ${rows}) as i`

/** The model of that table, in the form that Waterline has. */
const attributes = {
  id: { type: 'number' },
  name: { type: 'string' },
  email: { type: 'string' },
  password: { type: 'string', encrypt: true },
  age: { type: 'number' },
  active: { type: 'boolean' },
  createdAt: { type: 'number', autoCreatedAt: true },
  updatedAt: { type: 'number', autoUpdatedAt: true },
}
const bench = {
  identity: 'bench',
  tableName: 'bench',
  primaryKey: 'id',
  datastore: 'default',
  attributes,
  schema: attributes,
}
export const collections = { bench }

export const noTrigger: Subject = { name: 'no trigger', async setUp() {} }

export const capture = (name: string, options: Partial<CaptureOptions> = {}, start?: Subject['start']): Subject => ({
  name,
  async setUp(db) {
    await installCapture(db, readModels(collections), {
      schema: SCHEMA,
      noopUpdates: 'publish',
      models: new Map(),
      ...options,
    })
  },
  ...(start && { start }),
})

/** A whole feed that reads, decodes and maps each change, and publishes to nobody. */
export async function runFeed(connectionString: string): Promise<() => Promise<void>> {
  const feed = createChangefeed({ connectionString, collections, publisher: { publish() {} } })
  await feed.start()
  return () => feed.stop()
}

/** What the web recommends: the row in the notification, and a client that listens. */
export const classic: Subject = {
  name: 'pg_notify(row)',
  async setUp(db) {
    await db.query(`
      create or replace function classic() returns trigger language plpgsql as $$ begin
        perform pg_notify('classic', row_to_json(new)::text);
        return null;
      end $$`)
    await db.query('create trigger classic after insert or update on bench for each row execute function classic()')
  },
  async start(connectionString) {
    const client = new pg.Client({ connectionString })
    await client.connect()
    client.on('notification', ({ payload = '' }) => JSON.parse(payload))
    await client.query('listen classic')
    return () => client.end()
  },
}

/** A table of rows as JSON, and one NOTIFY per transaction. The listener reads what follows the last id that it has seen. */
export const logAndNotify: Subject = {
  name: 'log table and NOTIFY',
  async setUp(db) {
    await db.query(`
      create table row_log (id bigserial primary key, row text not null);
      create or replace function log_row() returns trigger language plpgsql as $$ begin
        insert into row_log (row) values (row_to_json(new)::text);
        perform pg_notify('row_log', '');
        return null;
      end $$;
      create trigger log_row after insert or update on bench for each row execute function log_row()`)
  },
  async start(connectionString) {
    const client = new pg.Client({ connectionString })
    await client.connect()
    let last = '0'
    let reading: Promise<void> | null = null
    const read = async () => {
      for (let found = 1; found > 0; ) {
        const page = 'select id, row from row_log where id > $1 order by id limit 500'
        const { rows } = await client.query<{ id: string; row: string }>(page, [last])
        for (const { row } of rows) JSON.parse(row)
        last = rows.at(-1)?.id ?? last
        found = rows.length
      }
      reading = null
    }
    client.on('notification', () => {
      reading ??= read()
    })
    await client.query('listen row_log')
    return async () => {
      await reading
      await client.end()
    }
  },
}

/** Logical decoding, by the client of postgres.js. */
export const subscription: Subject = {
  name: 'postgres.js subscribe',
  async setUp(db) {
    await db.query('create publication alltables for all tables')
  },
  async start(connectionString) {
    const sql = postgres(connectionString, { onnotice: () => {} })
    await sql.subscribe('*', () => {})
    return () => sql.end({ timeout: 0 })
  },
}

/** Takes away what any subject has set up, and the rows that the last one left. */
export async function reset(db: pg.Client) {
  await uninstallCapture(db, { schema: SCHEMA })
  await db.query(`
    drop trigger if exists classic on bench;
    drop trigger if exists log_row on bench;
    drop table if exists row_log;
    drop publication if exists alltables;
    truncate ${SCHEMA}.change`)
}
