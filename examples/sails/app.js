// A Sails app with the hook. Start it with `npm start`, open the page that it prints, and write with psql: the page follows.
process.chdir(__dirname)
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')
const sails = require('sails')
const rc = require('sails/accessible/rc')

void start()

async function start() {
  process.env.DATABASE_URL ||= await startTemporaryPostgres()
  sails.lift(rc('sails'), error => {
    if (error) throw error
    console.log(`http://127.0.0.1:${sails.config.port}`)
    console.log(`psql '${process.env.DATABASE_URL}' -c "insert into pet (name) values ('Rex')"`)
  })
}

/** For trying it out without a database: gone when the program ends. */
async function startTemporaryPostgres() {
  const folder = join(require.resolve('waterline-changefeed/package.json'), '..')
  const module = pathToFileURL(join(folder, 'dist/src/embedded-postgres/embedded-postgres.js'))
  const { startEmbeddedPostgres } = await import(module)
  return (await startEmbeddedPostgres()).connectionString
}
