/**
 * Packs the package, installs it into a fresh Sails app beside what Sails itself needs, lifts the app and looks whether a
 * raw SQL write reaches a browser's client: `node test/integration/sails/packed-app.mjs [tarball]`. Needs the built package for its
 * embedded Postgres, or TEST_DATABASE_URL with a database that may be filled.
 */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify, stripVTControlCharacters } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')
const require = createRequire(import.meta.url)

async function development(url) {
  const app = await lift({})
  assert.match(app.output(), /changefeed: publishing changes of pet/)
  assert.equal(app.output().match(/changefeed:/g).length, 1)
  const message = await firstMessage(app.port, async () => {
    await query(url, `insert into pet (name) values ('rex')`)
  })
  assert.equal(message.verb, 'created')
  assert.equal(message.data.name, 'rex')
  await app.end()
}

const PRODUCTION = {
  NODE_ENV: 'production',
  sails_models__migrate: 'safe',
  sails_session__secret: 'only for this',
  sails_sockets__onlyAllowOrigins: '["http://127.0.0.1"]',
}

async function production(url) {
  await query(url, 'drop schema changefeed cascade')
  const app = await lift(PRODUCTION)
  assert.match(app.output(), /changefeed: capture is incomplete.*pet/)
  assert.match(app.output(), /npx waterline-changefeed install/)
  const { rows } = await query(url, `select from pg_namespace where nspname = 'changefeed'`)
  assert.equal(rows.length, 0)
  await app.end()
}

async function installed() {
  await run('npx', ['--no-install', 'waterline-changefeed', 'install'], { cwd: folder })
  const app = await lift({ ...PRODUCTION, sails_log__level: 'info' })
  assert.match(app.output(), /changefeed: publishing changes of pet/)
  assert.doesNotMatch(app.output(), /changefeed: (not everything|does not)/)
  await app.end()
}

async function turnedOff() {
  const app = await lift({ sails_changefeed: 'false' })
  assert.doesNotMatch(app.output(), /changefeed:/)
  await app.end()
}

async function configured(url) {
  const app = await lift({
    sails_changefeed__schema: 'feed',
    sails_changefeed__duplicateWindowMs: '250',
    sails_changefeed__populate: 'true',
  })
  assert.match(app.output(), /changefeed: publishing changes of pet/)
  const { rows } = await query(url, `select from pg_namespace where nspname = 'feed'`)
  assert.equal(rows.length, 1)
  await app.end()
}

async function createApp(url) {
  const tarball = process.argv[2] ?? (await pack())
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const needed = ['sails', 'sails-hook-orm', 'sails-hook-sockets', 'sails-postgresql']
  const dependencies = Object.fromEntries(needed.map(name => [name, devDependencies[name]]))
  await write('package.json', JSON.stringify({ name: 'fresh-app', private: true, dependencies }))
  await write('app.js', `require('sails').lift(require('sails/accessible/rc')('sails'))`)
  await write('api/models/Pet.js', `module.exports = { attributes: { name: { type: 'string', required: true } } }`)
  await write(
    'config/datastores.js',
    `module.exports.datastores = { default: { adapter: 'sails-postgresql', url: ${JSON.stringify(url)} } }`,
  )
  await write('config/models.js', MODELS)
  await write('config/blueprints.js', 'module.exports.blueprints = { rest: true, shortcuts: true }')
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball]
  await run('npm', install, { cwd: folder })
}

const MODELS = `module.exports.models = {
  migrate: 'drop',
  archiveModelIdentity: false,
  attributes: {
    id: { type: 'number', autoIncrement: true },
    createdAt: { type: 'number', autoCreatedAt: true },
    updatedAt: { type: 'number', autoUpdatedAt: true },
  },
  dataEncryptionKeys: { default: '${Buffer.alloc(32, 7).toString('base64')}' },
}`

async function write(name, text) {
  const path = join(folder, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, text)
}

async function pack() {
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  return join(folder, JSON.parse(stdout.slice(stdout.indexOf('[')))[0].filename)
}

async function openDatabase() {
  const given = process.env.TEST_DATABASE_URL
  if (given) return { url: given, stop: () => {} }
  const { startEmbeddedPostgres } = await import('../../../dist/src/embedded-postgres/embedded-postgres.js')
  const server = await startEmbeddedPostgres()
  return { url: server.connectionString, stop: () => server.stop() }
}

async function query(url, sql) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}

/** Resolves when the app listens; `end` shuts it down and sees that it went well. */
async function lift(env) {
  const port = await freePort()
  const { NODE_ENV: _, ...inherited } = process.env
  const child = spawn(process.execPath, ['app.js', '--port', String(port)], {
    cwd: folder,
    env: { ...inherited, ...env },
  })
  cleanUp.unshift(() => child.kill('SIGKILL'))
  const lines = []
  const ended = new Promise(resolve => child.once('close', code => resolve(code)))
  const lifted = new Promise(resolve => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', line => {
        lines.push(line)
        if (/Server lifted/.test(line)) resolve()
      })
    }
  })
  const output = () => stripVTControlCharacters(lines.join('\n'))
  await Promise.race([lifted, ended.then(() => assert.fail(`The app was not lifted:\n${output()}`))])
  return {
    port,
    output,
    async end() {
      child.kill('SIGTERM')
      assert.equal(await ended, 0, output())
    },
  }
}

async function firstMessage(port, act) {
  const io = require('sails.io.js')(require('socket.io-client'))
  Object.assign(io.sails, { autoConnect: false, useCORSRouteToGetCookie: false, environment: 'production' })
  const socket = io.sails.connect(`http://127.0.0.1:${port}`, { multiplex: false, transports: ['websocket'] })
  await new Promise(resolve => socket.on('connect', resolve))
  await new Promise(resolve => socket.get('/pet', resolve))
  const message = new Promise(resolve => socket.on('pet', resolve))
  await act()
  const first = await message
  socket.disconnect()
  return first
}

function freePort() {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function shows(what, check) {
  await check()
  console.log(`- ${what}`)
}

const folder = await mkdtemp(join(tmpdir(), 'changefeed-packed-'))
const cleanUp = [() => rm(folder, { recursive: true, force: true })]
try {
  const { url, stop } = await openDatabase()
  cleanUp.unshift(stop)
  await createApp(url)
  await shows('in development it is installed at lift, and a raw SQL write reaches a client', () => development(url))
  await shows('in production nothing is altered: what is missing is named', () => production(url))
  await shows('the command that is named installs what the app wants', installed)
  await shows('environment variables set its settings, numbers and switches as well', () => configured(url))
  await shows('an environment variable turns it off', () => turnedOff())
  console.log('The packed package works in a fresh Sails app.')
} finally {
  for (const close of cleanUp) await close()
}
