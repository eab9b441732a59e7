import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { createChangefeed } from '../../src/changefeed.ts'
import { built } from '../helpers/program.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { petShop } from '../integration/feed/fixture.ts'

/** A way to bring inserts into `pet` to sockets. */
export interface LatencySubject {
  readonly name: string
  /** Prepares a database that has the tables of the pet shop. */
  setUp(connectionString: string): Promise<void>
  /** Reads a log in the order of ids, and passes over changes of transactions that commit after later ones. */
  readonly losesChanges?: boolean
  /** The code of a server, which prints `port 1234`. */
  readonly program: string
}

const waterlineProgram = fileURLToPath(new URL('../helpers/waterline-program.mjs', import.meta.url))

/** A server of its own process, as in an app; each connecting socket is in the class room of `pet`. */
const serve = (source: string) => `
  import { createServer } from 'node:http'
  import { Server } from 'socket.io'
  import pg from 'pg'
  import postgres from 'postgres'
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, transports: ['websocket'] })
  io.on('connection', socket => socket.join('sails_model_create_pet'))
  const publish = (table, data) =>
    io.to('sails_model_create_' + table).emit(table, { verb: 'created', data, id: data.id })
  ${source}
  http.listen(0, '127.0.0.1', () => console.log('port ' + http.address().port))`

const statements = (...sql: readonly string[]) => ({
  async setUp(connectionString: string) {
    const client = new pg.Client(connectionString)
    await client.connect()
    for (const statement of sql) await client.query(statement)
    await client.end()
  },
})

const onBothTables = (name: string) =>
  ['pet', '"user"'].map(
    table => `create trigger ${name} after insert or update on ${table} for each row execute function ${name}()`,
  )

const classic: LatencySubject = {
  name: 'pg_notify(row)',
  ...statements(
    `create function classic() returns trigger language plpgsql as $$ begin
      perform pg_notify('classic', json_build_object('table', tg_table_name, 'row', new)::text);
      return null;
    end $$`,
    ...onBothTables('classic'),
  ),
  program: serve(`
    const listener = new pg.Client(process.env.URL)
    await listener.connect()
    listener.on('notification', ({ payload }) => {
      const { table, row } = JSON.parse(payload)
      publish(table, row)
    })
    await listener.query('listen classic')`),
}

const feed: LatencySubject = {
  name: 'feed',
  async setUp(connectionString) {
    const { collections, stop } = await startWaterline({ connectionString, models: petShop })
    await createChangefeed({ connectionString, collections }).install()
    await stop()
  },
  program: serve(`
    const { createChangefeed } = await import(${JSON.stringify(built('index.js'))})
    const { startPetShop } = await import(${JSON.stringify(waterlineProgram)})
    const feed = createChangefeed({ connectionString: process.env.URL, collections: await startPetShop(process.env.URL), io })
    await feed.start()
    await feed.settled()`),
}

const logAndNotify: LatencySubject = {
  name: 'log table and NOTIFY',
  losesChanges: true,
  ...statements(
    'create table row_log (id bigserial primary key, relation text not null, row text not null)',
    `create function log_row() returns trigger language plpgsql as $$ begin
      insert into row_log (relation, row) values (tg_table_name, row_to_json(new)::text);
      perform pg_notify('row_log', '');
      return null;
    end $$`,
    ...onBothTables('log_row'),
  ),
  program: serve(`
    const listener = new pg.Client(process.env.URL)
    await listener.connect()
    let last = '0'
    let [isNotified, isReading] = [false, false]
    const readRest = async () => {
      for (let found = 1; found > 0; ) {
        const { rows } = await listener.query('select * from row_log where id > $1 order by id limit 500', [last])
        for (const { relation, row } of rows) publish(relation, JSON.parse(row))
        last = rows.at(-1)?.id ?? last
        found = rows.length
      }
    }
    listener.on('notification', async () => {
      isNotified = true
      if (isReading) return
      isReading = true
      while (isNotified) {
        isNotified = false
        await readRest()
      }
      isReading = false
    })
    await listener.query('listen row_log')`),
}

const subscription: LatencySubject = {
  name: 'postgres.js subscribe',
  ...statements('create publication alltables for all tables'),
  program: serve(`
    const sql = postgres(process.env.URL, { onnotice: () => {} })
    await sql.subscribe('*', (row, { relation }) => publish(relation.table, row))`),
}

/** The first one is the base of the ratios. */
export const latencySubjects = [classic, feed, logAndNotify, subscription]

/** Updates of `user`, which nobody is subscribed to: some 300 transactions a second. */
export const background = `
  import { setTimeout as sleep } from 'node:timers/promises'
  import pg from 'pg'
  for (let n = 0; n < 4; n++) {
    const client = new pg.Client(process.env.URL)
    await client.connect()
    const write = async () => {
      for (;;) {
        await client.query({ name: 'update', text: 'update "user" set name = $1 where id = $2', values: ['name', n + 1] })
        await sleep(10)
      }
    }
    write()
  }
  console.log('writing')`
