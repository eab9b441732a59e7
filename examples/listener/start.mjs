// Starts on this machine what runs as separate processes in production: two servers of the app, and the listener.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import pg from 'pg'

const PROGRAM = 'node_modules/waterline-changefeed/dist/src/cli/main.js' // npx waterline-changefeed

const env = { ...process.env, DATABASE_URL: process.env.DATABASE_URL || (await startTemporaryPostgres()) }
await createTables()

const [code] = await once(run([PROGRAM, 'install']), 'exit')
if (code !== 0) process.exit(code)

const processes = [run([PROGRAM, 'start'])]
for (const PORT of (process.env.PORTS ?? '3000,3001').split(',')) processes.push(run(['server.mjs'], { PORT }))
console.log(`psql '${env.DATABASE_URL}' -c "insert into todo (title) values ('buy milk')"`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const child of processes) child.kill('SIGTERM')
  })
}

function run(args, more) {
  return spawn(process.execPath, args, { cwd: import.meta.dirname, env: { ...env, ...more }, stdio: 'inherit' })
}

async function createTables() {
  const client = new pg.Client(env.DATABASE_URL)
  await client.connect()
  await client.query(`create table if not exists todo (
    id serial primary key, title text not null, done boolean not null default false
  )`)
  // For messages of @socket.io/postgres-adapter that are too large for NOTIFY.
  await client.query(`create table if not exists socket_io_attachments (
    id bigserial unique, created_at timestamptz default now(), payload bytea
  )`)
  await client.end()
}

/** For trying it out without a database: gone when the program ends. */
async function startTemporaryPostgres() {
  const folder = import.meta.resolve('waterline-changefeed/package.json')
  const { startEmbeddedPostgres } = await import(new URL('dist/src/embedded-postgres/embedded-postgres.js', folder))
  return (await startEmbeddedPostgres()).connectionString
}
