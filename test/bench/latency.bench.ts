import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../src/changefeed.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { built, startCode } from '../helpers/program.ts'
import { connectSailsClient, type SailsClient } from '../helpers/sails-client.ts'
import { afterScope } from '../helpers/scope.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { petShop } from '../integration/feed/fixture.ts'

const WRITES = 400
const ROUNDS = 5

const waterlineProgram = fileURLToPath(new URL('../helpers/waterline-program.mjs', import.meta.url))

/** A server of its own process, as in an app; each connecting socket is in the class room of `pet`. */
const serve = (source: string) => `
  import { createServer } from 'node:http'
  import { Server } from 'socket.io'
  import pg from 'pg'
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, transports: ['websocket'] })
  io.on('connection', socket => socket.join('sails_model_create_pet'))
  ${source}
  http.listen(0, '127.0.0.1', () => console.log('port ' + http.address().port))`

const feedServer = serve(`
  const { createChangefeed } = await import(${JSON.stringify(built('index.js'))})
  const { startPetShop } = await import(${JSON.stringify(waterlineProgram)})
  const feed = createChangefeed({ connectionString: process.env.URL, collections: await startPetShop(process.env.URL), io })
  await feed.start()`)

/** The usual way: the trigger sends the row with NOTIFY, the listener passes it on. */
const classicServer = serve(`
  const listener = new pg.Client(process.env.URL)
  await listener.connect()
  listener.on('notification', ({ payload }) => {
    const data = JSON.parse(payload)
    io.to('sails_model_create_pet').emit('pet', { verb: 'created', data, id: data.id })
  })
  await listener.query('listen classic')`)

const CLASSIC_TRIGGER = `
  create function classic() returns trigger language plpgsql as
    $$ begin perform pg_notify('classic', row_to_json(new)::text); return null; end $$;
  create trigger classic after insert on pet for each row execute function classic()`

async function startServer(program: string, url: string): Promise<SailsClient> {
  const port = Number((await startCode(program, { URL: url }).line(/^port /)).slice(5))
  return await connectSailsClient({ port })
}

/** From the moment that the writer knows of its commit until the message is in the client's hands, in ms. */
async function latencies(writer: pg.Client, { messages }: SailsClient): Promise<number[]> {
  const measured: number[] = []
  for (let write = 0; write < WRITES; write++) {
    await pause(3 + Math.random() * 5) // idle between the writes, out of step with any timer
    messages.clear()
    const arrival = messages.next('pet').then(() => performance.now())
    await writer.query(`insert into pet (name) values ('rex')`)
    const committed = performance.now()
    measured.push(Math.max(0, (await arrival) - committed))
  }
  return measured
}

const percentile = (values: number[], share: number) => values[Math.floor(values.length * share)] ?? Number.NaN

test('from commit to socket, idle', async () => {
  const server = await startEmbeddedPostgres({ settings: { fsync: 'on' } })
  afterScope(() => server.stop('immediate'))
  const admin = new pg.Client(server.connectionString)
  await admin.connect()
  afterScope(() => admin.end())
  const databases = await Promise.all(
    ['feed', 'classic'].map(async name => {
      const connectionString = server.connectionString.replace(/postgres$/, name)
      return { name, connectionString }
    }),
  )
  for (const { name } of databases) await admin.query(`create database ${name}`)
  const subjects: { name: string; writer: pg.Client; client: SailsClient; measured: number[] }[] = []
  for (const { name, connectionString } of databases) {
    const { collections } = await startWaterline({ connectionString, models: petShop, migrate: 'drop' })
    const writer = new pg.Client(connectionString)
    await writer.connect()
    afterScope(() => writer.end())
    if (name === 'feed') await createChangefeed({ connectionString, collections }).install()
    else await writer.query(CLASSIC_TRIGGER)
    const client = await startServer(name === 'feed' ? feedServer : classicServer, connectionString)
    subjects.push({ name, writer, client, measured: [] })
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { writer, client, measured } of subjects) measured.push(...(await latencies(writer, client)))
  }
  console.log(`commit to socket, idle, ms (${ROUNDS} rounds of ${WRITES} writes each)`)
  for (const { name, measured } of subjects) {
    expect(measured).toHaveLength(ROUNDS * WRITES)
    const sorted = measured.toSorted((a, b) => a - b)
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map(share => percentile(sorted, share).toFixed(2))
    console.log(`${name.padEnd(10)} p50 ${p50}   p90 ${p90}   p99 ${p99}`)
  }
})
