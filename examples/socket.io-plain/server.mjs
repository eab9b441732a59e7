// A Waterline app with a socket.io server of its own. Start it with `npm start`, open the page that it prints, and write to
// the table `todo` with psql: the page follows.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import pg from 'pg'
import sailsPostgresql from 'sails-postgresql'
import { Server } from 'socket.io'
import Waterline from 'waterline'
import { createChangefeed } from 'waterline-changefeed'

const connectionString = process.env.DATABASE_URL || (await startTemporaryPostgres())
await createTable()

const { collections } = await promisify(Waterline.start)({
  adapters: { 'sails-postgresql': sailsPostgresql },
  datastores: { default: { adapter: 'sails-postgresql', url: connectionString } },
  defaultModelSettings: { datastore: 'default', primaryKey: 'id' },
  models: {
    todo: {
      attributes: {
        id: { type: 'number', autoMigrations: { autoIncrement: true } },
        title: { type: 'string', required: true },
        done: { type: 'boolean' },
      },
    },
  },
})

const http = createServer(async (_request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(await readFile(new URL('index.html', import.meta.url)))
})
const io = new Server(http)
const feed = createChangefeed({ connectionString, collections, io })
await feed.install()
await feed.start()

// A client subscribes before it gets the list, so that it misses nothing that is written in between.
io.on('connection', socket => {
  socket.on('todos', async answer => {
    await feed.subscribe(socket, 'todo')
    const todos = await collections.todo.find()
    if (todos.length > 0) {
      await feed.subscribe(
        socket,
        'todo',
        todos.map(({ id }) => id),
      )
    }
    answer(todos)
  })
})

http.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${http.address().port}`)
  console.log(`psql '${connectionString}' -c "insert into todo (title) values ('buy milk')"`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await feed.stop()
    process.exit()
  })
}

async function createTable() {
  const client = new pg.Client(connectionString)
  await client.connect()
  await client.query(`create table if not exists todo (
    id serial primary key, title text not null, done boolean not null default false
  )`)
  await client.end()
}

/** For trying it out without a database: gone when the program ends. */
async function startTemporaryPostgres() {
  const folder = import.meta.resolve('waterline-changefeed/package.json')
  const { startEmbeddedPostgres } = await import(new URL('dist/src/embedded-postgres/embedded-postgres.js', folder))
  return (await startEmbeddedPostgres()).connectionString
}
