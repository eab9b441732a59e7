import { type EventEmitter, once } from 'node:events'
import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { expect, test, vi } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { startProxy } from '../../helpers/proxy.ts'
import { freePort, type LiftedApp, liftApp, models, summary } from './fixture.ts'

test('a raw SQL write reaches the subscribed sockets of a lifted app, with its cursor', async () => {
  const database = await testDatabase()
  const { app, connect, settled } = await liftApp({}, database)
  const client = await connect()
  await client.get('/pet')
  await client.get('/owner')
  await database.query(`insert into owner (name) values ('ann')`)
  await database.query(`insert into pet (name, owner) values ('rex', 1)`)
  await database.query(`update pet set nick_name = 'r'`)
  await database.query('delete from pet')
  await settled(client)
  expect(summary(client)).toEqual([
    'owner created 1',
    'owner addedTo 1 pets 1',
    'pet created 1',
    'pet updated 1',
    'pet destroyed 1',
    'owner removedFrom 1 pets 1',
  ])
  const [created, ...others] = client.messages.of('pet')
  expect(created).toMatchObject({
    data: { verb: 'created', id: 1, data: { id: 1, name: 'rex', nick: null, owner: 1 } },
    meta: { cursor: expect.any(String), at: expect.any(Number) },
  })
  expect(others[0]?.data).toMatchObject({ data: { id: 1, nick: 'r' }, previous: { name: 'rex', nick: null } })
  expect(app.hooks.changefeed.status()).toMatchObject({
    state: 'running',
    models: expect.arrayContaining(['owner', 'pet', 'course_students__student_courses']),
    feeds: [{ role: 'leader', datastores: ['default'] }],
  })
})

test('a model that another hook adds is captured as well', async () => {
  const lion = { attributes: { name: { type: 'string', required: true } } }
  const zoo = (sails: LiftedApp) => ({
    configure() {
      Object.assign(sails.config.orm.moduleDefinitions.models, { lion })
    },
  })
  const { app, database, connect, settled } = await liftApp({ more: { hooks: { zoo } } })
  const client = await connect()
  await client.get('/lion')
  await database.query(`insert into lion (name) values ('leo')`)
  await settled(client)
  expect(summary(client)).toEqual(['lion created 1'])
  expect(app.hooks.changefeed.status().models).toContain('lion')
})

test('the hook waits for sockets that are ready later than the ORM', async () => {
  const socketsHook = createRequire(import.meta.url)('sails-hook-sockets')
  const late = (sails: LiftedApp) => {
    const hook = socketsHook(sails)
    const initialize = (done: () => void) =>
      void sails.after('hook:orm:loaded', () => setTimeout(hook.begin, 200, done))
    return Object.assign(hook, { begin: hook.initialize, initialize })
  }
  const { app, database, connect, settled } = await liftApp({ more: { hooks: { sockets: late } } })
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
  const client = await connect()
  await client.get('/pet')
  await database.query(`insert into pet (name) values ('rex')`)
  await settled(client)
  expect(summary(client)).toEqual(['pet created 1'])
})

test('a socket that watches the model receives created, updated and destroyed of one transaction', async () => {
  const { database, connect, settled } = await liftApp()
  const client = await connect()
  await client.get('/pet')
  await database.query(`insert into pet (name) values ('rex'); update pet set name = 'max'; delete from pet`)
  await settled(client)
  expect(summary(client)).toEqual(['pet created 1', 'pet updated 1', 'pet destroyed 1'])
})

test('neither attributes that customToJSON hides nor encrypted ones are sent', async () => {
  const { app, connect, settled } = await liftApp()
  const client = await connect()
  await client.get('/account')
  await app.models.account.create({ email: 'a@x.io', password: 'pass-word', ssn: '123-45' })
  await app.models.account.update({ email: 'a@x.io' }).set({ password: 'other', ssn: '678-90' })
  await app.models.account.destroy({ email: 'a@x.io' })
  await settled(client)
  expect(summary(client)).toEqual(['account created 1', 'account updated 1', 'account destroyed 1'])
  expect(JSON.stringify(client.messages.all)).not.toMatch(/password|pass-word|other|ssn|YWVz/)
})

test('publish callbacks of the app run for every change', async () => {
  const called: unknown[] = []
  const pet = {
    ...models.pet,
    _afterPublishUpdate: (id: unknown, changes: { name: string }) => called.push([id, changes.name]),
    publishCreate: () => 'of the app',
  }
  const { app, database, settled } = await liftApp({ config: { definitions: { ...models, pet } } })
  await database.query(`insert into pet (name) values ('rex'); update pet set name = 'max'`)
  await settled()
  expect(called).toEqual([[1, 'max']])
  expect(app.models.pet.publishCreate()).toBe('of the app')
})

test('an error in a publish function after its message does not stop the feed: Sails’ own, over `through`', async () => {
  const name = { type: 'string' }
  const definitions = {
    driver: { attributes: { name, taxis: { collection: 'taxi', via: 'driver', through: 'ride' } } },
    taxi: { attributes: { name, drivers: { collection: 'driver', via: 'taxi', through: 'ride' } } },
    ride: { attributes: { driver: { model: 'driver' }, taxi: { model: 'taxi' } } },
  }
  const { database, connect, settled } = await liftApp({ config: { definitions }, changefeed: { populate: true } })
  await database.query(
    `insert into driver (name) values ('dan'); insert into taxi (name) values ('t'); insert into ride (driver, taxi) values (1, 1)`,
  )
  await settled()
  const client = await connect()
  for (const path of ['/driver', '/taxi', '/ride']) await client.get(path)
  await database.query('delete from driver')
  await settled(client)
  expect(summary(client)).toEqual(['driver destroyed 1', 'taxi removedFrom 1 drivers 1'])
  expect(client.messages.of('driver')[0]?.data).toMatchObject({ previous: { taxis: [{ id: 1, name: 't' }] } })
})

test('the pub-sub methods of v0.12 work on the models', async () => {
  const { app, connect, settled } = await liftApp()
  const client = await connect()
  await client.get('/pet')
  const { pet } = app.models
  pet.publishCreate({ id: 7, name: 'rex' })
  pet.message(7, { hello: 'there' })
  expect(pet.subscribers(7)).toEqual([client.id])
  pet.publishUpdate(7, { name: 'max' })
  pet.unwatch(app.sockets.get(client.id))
  pet.publishDestroy(7)
  pet.publishCreate({ id: 8, name: 'tom' })
  await settled(client)
  expect(summary(client)).toEqual(['pet created 7', 'pet messaged 7', 'pet updated 7', 'pet destroyed 7'])
})

test('`changefeed: false` disables the feed', async () => {
  const { app, database, settled } = await liftApp({ changefeed: false }, await testDatabase())
  expect(app.hooks.changefeed.status()).toEqual({ state: 'off', models: [], feeds: [] })
  await settled()
  expect(await database.query(`select from pg_namespace where nspname = 'changefeed'`)).toEqual([])
})

test.each([
  [{ blueprints: 'keeep' }, /changefeed.blueprints` must be 'keep' or 'replace'/],
  [{ retentionMs: -1 }, /`retentionMs` must be above 0/],
  [{ models: { pett: false } }, /names `pett`, which is no model/],
  [{ nonsense: 1 }, /no option `nonsense`/],
  ['yes', /must be an object with settings, or false/],
])('invalid settings prevent the app from lifting: %j', async (changefeed, complaint) => {
  await expect(liftApp({ changefeed })).rejects.toThrow(complaint)
})

test('models and attributes can be excluded in the config and in model definitions', async () => {
  const definitions = {
    ...models,
    owner: { ...models.owner, changefeed: false },
    pet: { ...models.pet, changefeed: { omit: ['nick'] } },
  }
  const changefeed = { models: { course: false, owner: true } }
  const { app, database, connect, settled } = await liftApp({ changefeed, config: { definitions } })
  expect(app.hooks.changefeed.status().models).toEqual(
    expect.arrayContaining(['pet', 'student', 'course_students__student_courses', 'account']),
  )
  expect(app.hooks.changefeed.status().models).not.toEqual(expect.arrayContaining(['owner']))
  expect(app.hooks.changefeed.status().models).not.toEqual(expect.arrayContaining(['course']))
  const client = await connect()
  for (const path of ['/owner', '/pet', '/course']) await client.get(path)
  await database.query(`insert into owner (name) values ('ann')`)
  await database.query(`insert into course (title) values ('art')`)
  await database.query(`insert into pet (name, nick_name) values ('rex', 'secret')`)
  await settled(client)
  expect(summary(client)).toEqual(['pet created 1'])
  expect(JSON.stringify(client.messages.all)).not.toContain('secret')
})

test('a datastore may set its own schema', async () => {
  const database = await testDatabase()
  await database.query('create schema inventory')
  const datastore = { schemaName: 'inventory', createSchemas: false }
  const { connect, settled } = await liftApp({ config: { datastore } }, database)
  const client = await connect()
  await client.get('/account')
  await database.query(`insert into inventory.account (email) values ('a@x.io')`)
  await settled(client)
  expect(summary(client)).toEqual(['account created 1'])
})

test('models of several databases are captured, with one feed per database even if datastores address it differently', async () => {
  const other = await testDatabase()
  const note = { datastore: 'second', attributes: { text: { type: 'string' } } }
  const config = (second: string) => ({ config: { definitions: { ...models, note }, second } })
  const changefeed = { models: { owner: { omit: ['name'] }, note: {} } }
  const two = await liftApp({ ...config(other.connectionString), changefeed })
  expect(two.app.hooks.changefeed.status().feeds).toMatchObject([
    { datastores: ['default'] },
    { datastores: ['second'] },
  ])
  const client = await two.connect()
  for (const path of ['/note', '/pet']) await client.get(path)
  await other.query(`insert into note (text) values ('hello')`)
  await two.database.query(`insert into pet (name) values ('rex')`)
  await two.settled(client)
  expect(summary(client).sort()).toEqual(['note created 1', 'pet created 1'])
  await two.lower()
  const sameByAnotherName = two.database.connectionString.replace('127.0.0.1', 'localhost')
  const one = await liftApp(config(sameByAnotherName), two.database)
  expect(one.app.hooks.changefeed.status().feeds).toMatchObject([{ datastores: ['default', 'second'] }])
})

test('models that are not in Postgres are ignored', async () => {
  const definitions = { ...models, note: { datastore: 'disk', attributes: { text: { type: 'string' } } } }
  const { app, connect, settled } = await liftApp({ config: { definitions, disk: true } })
  const client = await connect()
  await client.get('/note')
  await app.models.note.create({ text: 'hello' })
  await app.models.pet.create({ name: 'rex' })
  await settled(client)
  expect(summary(client)).toEqual([])
  expect(app.hooks.changefeed.status().models).not.toContain('note')
})

test('shutdown publishes pending changes, including writes in the app’s beforeShutdown', async () => {
  const database = await testDatabase()
  const lastWords = { app: undefined as LiftedApp | undefined }
  const beforeShutdown = (done: () => void) => lastWords.app?.models.pet.create({ name: 'last' }).exec(done)
  const { app, connect, lower } = await liftApp({ more: { beforeShutdown } }, database)
  lastWords.app = app
  const client = await connect()
  await client.get('/pet')
  await database.query(`insert into pet (name) values ('rex')`)
  await lower()
  await client.messages.count('pet', 2)
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'off' })
})

test('the feed continues after a reload of the ORM', async () => {
  const onDisk = { pet: models.pet, owner: models.owner }
  const { app, database, connect, settled } = await liftApp({
    config: { onDisk, models: { archiveModelIdentity: false } },
  }) // Sails cannot reload otherwise
  const client = await connect()
  await client.get('/pet')
  const reloaded = once(app as unknown as EventEmitter, 'hook:changefeed:reloaded')
  app.hooks.orm.reload()
  await reloaded
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
  await database.query(`insert into pet ("createdAt", "updatedAt", name) values (1, 1, 'rex')`)
  await app.models.pet.updateOne({ name: 'rex' }).set({ name: 'max' })
  await settled(client)
  const [pets, owners, ...written] = summary(client) // both tables were recreated, and both affect pets
  expect([pets, owners]).toEqual(['changefeed refetch', 'changefeed refetch'])
  expect(written).toEqual(['pet created 1', 'pet updated 1'])
})

test('with migrate safe nothing is altered, and missing parts are logged with the command that installs them', async () => {
  const database = await testDatabase()
  const first = await liftApp({ hook: false }, database)
  await first.lower()
  const { app, lower } = await liftApp({ config: { models: { migrate: 'safe' } } }, database)
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'stopped' })
  expect(await database.query(`select from pg_namespace where nspname = 'changefeed'`)).toEqual([])
  const [plan] = await app.hooks.changefeed.plan()
  expect(inspect(plan)).toMatch(/^. pet /m)
  expect(plan.capture.steps.map(({ identity }: { identity: string }) => identity)).toContain('pet')
  await app.hooks.changefeed.install()
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
  await lower()
  const again = await liftApp({ config: { models: { migrate: 'safe' } } }, database)
  expect(again.app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
})

test('if uninstalled while the app runs, the feed stops and blueprints publish again; install() restarts it', async () => {
  const { app, database, connect, settled } = await liftApp({ changefeed: { blueprints: 'replace' } })
  const [watcher, actor] = [await connect(), await connect()]
  await watcher.get('/pet')
  const { connectionString } = database
  await createChangefeed({ connectionString, collections: app.models }).uninstall()
  await eventually(() => expect(app.hooks.changefeed.status()).toMatchObject({ state: 'stopped' }))
  await actor.post('/pet', { name: 'rex' })
  await watcher.messages.count('pet', 1)
  await database.query(`update pet set name = 'max'`)
  await app.hooks.changefeed.install()
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
  await actor.patch('/pet/1', { name: 'ben' })
  await settled(watcher)
  expect(summary(watcher)).toEqual(['pet created 1', 'pet updated 1'])
})

test('with `install: true` capture is installed in production as well', async ({ onTestFinished }) => {
  const database = await testDatabase()
  const first = await liftApp({ hook: false }, database)
  await first.lower()
  vi.stubEnv('NODE_ENV', 'production')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { app } = await liftApp(
    {
      changefeed: { install: true },
      config: { models: { migrate: 'safe' } },
      more: { environment: 'production', sockets: { onlyAllowOrigins: ['http://127.0.0.1'] } },
    },
    database,
  )
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
})

test("an app whose role lacks privileges on the feed's schema lifts without the feed", async ({ onTestFinished }) => {
  const database = await testDatabase()
  const first = await liftApp({}, database)
  await first.lower()
  const role = `app_${process.pid}`
  await database.query(`create role ${role} login password 'x'; grant all on all tables in schema public to ${role}`)
  onTestFinished(async () => void (await database.query(`drop owned by ${role}; drop role ${role}`)))
  const url = Object.assign(new URL(database.connectionString), { username: role, password: 'x' }).href
  const { app } = await liftApp({ config: { models: { migrate: 'safe' }, datastore: { url } } }, database)
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'stopped' })
})

test('if only the feed cannot reach the database at lift, it retries', async () => {
  const database = await testDatabase()
  const first = await liftApp({}, database)
  await first.lower()
  const port = await freePort()
  const url = new URL(database.connectionString)
  url.port = String(port)
  const { app, connect, settled } = await liftApp(
    { config: { models: { migrate: 'safe' } }, changefeed: { connectionString: url.href } },
    database,
  )
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'stopped' })
  await startProxy(database.connectionString, port)
  const running = () => expect(app.hooks.changefeed.status()).toMatchObject({ state: 'running' })
  await eventually(running, { withinMs: 15_000 })
  const client = await connect()
  await client.get('/pet')
  await database.query(`insert into pet ("createdAt", "updatedAt", name) values (1, 1, 'rex')`)
  await settled(client)
  expect(summary(client)).toEqual(['pet created 1'])
})

test('a feed that found nothing installed starts once the command line has installed', {
  timeout: 60_000,
}, async () => {
  const { app, database } = await liftApp({ changefeed: { install: false } }, await testDatabase())
  expect(app.hooks.changefeed.status().state).toBe('stopped')
  const feed = createChangefeed({
    connectionString: database.connectionString,
    collections: app.models,
    originTag: true,
  })
  await feed.install()
  await eventually(() => expect(app.hooks.changefeed.status().state).toBe('running'), { withinMs: 20_000 })
})
