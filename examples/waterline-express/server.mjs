// Express and Waterline with the realtime of Sails, for an unchanged sails.io.js. Start it with `npm start`, open the page
// that it prints, and write with psql: the page follows.
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import express from 'express'
import pg from 'pg'
import sailsPostgresql from 'sails-postgresql'
import Waterline from 'waterline'
import { createChangefeed, createRealtime } from 'waterline-changefeed'

const connectionString = process.env.DATABASE_URL || (await startTemporaryPostgres())
await createTables()

const id = { type: 'number', autoMigrations: { autoIncrement: true } }
const { collections } = await promisify(Waterline.start)({
  adapters: { 'sails-postgresql': sailsPostgresql },
  datastores: { default: { adapter: 'sails-postgresql', url: connectionString } },
  defaultModelSettings: { datastore: 'default', primaryKey: 'id' },
  models: {
    user: {
      attributes: {
        id,
        name: { type: 'string', required: true },
        phone: { type: 'string', allowNull: true },
        pets: { collection: 'pet', via: 'owner' },
      },
    },
    pet: { attributes: { id, name: { type: 'string', required: true }, owner: { model: 'user' } } },
  },
})

// A route that knows nothing of sockets: what it writes is published like any other write.
const app = express()
app.use(express.json())
app.get('/', (_req, res) => res.sendFile(fileURLToPath(new URL('index.html', import.meta.url))))
app.post('/pet/:id/adopt', async (req, res) => {
  const owner = await collections.user.findOne({ name: String(req.body.name) })
  const pet = owner && (await collections.pet.updateOne({ id: Number(req.params.id) }).set({ owner: owner.id }))
  res.status(pet ? 200 : 404).json(pet ?? null)
})

const server = createServer(app)
const realtime = createRealtime({
  server,
  collections,
  handler: app, // also answers requests that clients send over their sockets
  models: {
    user: { omit: ['phone'] }, // GET /user and /user/1
    pet: { write: ['create'], writable: ['name'] }, // and POST /pet
  },
})
const feed = createChangefeed({
  connectionString,
  collections,
  models: { user: { omit: ['phone'] } }, // does not enter the change log
  publisher: realtime.publisher,
})
await feed.install()
await feed.start()

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`)
  console.log(`psql '${connectionString}' -c "insert into pet (name) values ('Rex')"`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await feed.stop()
    process.exit()
  })
}

async function createTables() {
  const client = new pg.Client(connectionString)
  await client.connect()
  await client.query(`create table if not exists "user" (id serial primary key, name text not null, phone text)`)
  await client.query(`create table if not exists pet (id serial primary key, name text not null, owner int)`)
  await client.query(`insert into "user" (id, name, phone) values (1, 'Ada', '555 0101') on conflict do nothing`)
  await client.end()
}

/** For trying it out without a database: gone when the program ends. */
async function startTemporaryPostgres() {
  const folder = import.meta.resolve('waterline-changefeed/package.json')
  const { startEmbeddedPostgres } = await import(new URL('dist/src/embedded-postgres/embedded-postgres.js', folder))
  return (await startEmbeddedPostgres()).connectionString
}
