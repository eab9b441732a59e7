const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:net')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { Sails } = require('sails')

/** A small Sails app with shadow routes, associations of every kind, secrets and custom actions. */
const models = {
  owner: { attributes: { name: { type: 'string', required: true }, pets: { collection: 'pet', via: 'owner' } } },
  pet: {
    attributes: {
      name: { type: 'string', required: true },
      nick: { type: 'string', allowNull: true, columnName: 'nick_name' },
      owner: { model: 'owner' },
    },
  },
  student: {
    attributes: { name: { type: 'string', required: true }, courses: { collection: 'course', via: 'students' } },
  },
  course: {
    attributes: { title: { type: 'string', required: true }, students: { collection: 'student', via: 'courses' } },
  },
  account: {
    attributes: {
      email: { type: 'string', required: true },
      password: { type: 'string', allowNull: true },
      ssn: { type: 'string', encrypt: true, allowNull: true },
    },
    customToJSON() {
      const { password: _, ...shown } = this
      return shown
    },
  },
}

const pair = []

const actions = {
  'pet/rename': async function rename(req, res) {
    await this.models.pet.updateOne({ id: req.param('id') }).set({ name: req.param('name') })
    return res.ok()
  },
  'pet/watch': async function watch(req, res) {
    const { pet } = this.models
    const pets = await pet.find()
    // Until a test that holds this lock releases it.
    if (req.param('late')) await this.sendNativeQuery('select pg_advisory_lock_shared(1), pg_advisory_unlock_shared(1)')
    pet.subscribe(
      req,
      pets.map(({ id }) => id),
    )
    pet._watch(req)
    return res.ok(pets)
  },
  // Without native `await`: Waterline promises, a timer and a transaction.
  'pet/rename-by-detours': function renameByDetours(req, res) {
    const { pet } = this.models
    pet
      .findOne({ id: req.param('id') })
      .then(found => new Promise(resolve => setTimeout(resolve, 1, found)))
      .then(found =>
        this.getDatastore().transaction(db =>
          pet
            .updateOne({ id: found.id })
            .set({ name: req.param('name') })
            .usingConnection(db),
        ),
      )
      .then(() => res.ok(), res.serverError)
  },
  // Both requests of a pair continue in the same turn of the event loop.
  'pet/rename-in-pairs': function renameInPairs(req, res) {
    const { pet } = this.models
    const { constructor: Bluebird } = pet.findOne({ id: req.param('id') }).toPromise()
    const both = new Bluebird(resolve => pair.push(resolve))
    const rename = () => pet.updateOne({ id: req.param('id') }).set({ name: req.param('name') })
    const ways = {
      chain: () => both.then(rename),
      map: () => Bluebird.map([both], rename),
      coroutine: Bluebird.coroutine(function* () {
        yield both
        yield rename()
      }),
    }
    ways[req.param('way')]().then(() => res.ok(), res.serverError)
    if (pair.length === 2) for (const proceed of pair.splice(0)) proceed()
  },
  // Messages that an app sends by itself may identify the record differently than blueprints do.
  'pet/destroy-and-publish': async function destroyAndPublish(req, res) {
    const previous = await this.models.pet.destroyOne({ id: req.param('id') })
    this.models.pet.publish([previous.id], { verb: 'destroyed', previous })
    return res.ok(previous)
  },
  'pet/create-and-publish': async function createAndPublish(req, res) {
    const created = await this.models.pet.create({ name: req.param('name') }).fetch()
    this.models.pet.publishCreate(created)
    return res.ok(created)
  },
}

/** The config that all tests share, merged with `config`. `hook`: the built hook, if any. */
function configOf({ url, hook, changefeed, folder, config = {}, more = {} }) {
  const appPath = mkdtempSync(join(folder ?? tmpdir(), 'changefeed-app-'))
  writeFileSync(join(appPath, 'package.json'), '{"name":"app","dependencies":{}}')
  if (config.onDisk) writeModels(appPath, config.onDisk)
  return {
    appPath,
    environment: 'test',
    globals: false,
    log: { level: 'silent' },
    datastores: {
      default: { adapter: require('sails-postgresql'), ...(!config.datastore?.host && { url }), ...config.datastore },
      ...(config.second && { second: { adapter: require('sails-postgresql'), url: config.second } }),
      ...(config.disk && { disk: { adapter: require('sails-disk'), inMemoryOnly: true } }),
    },
    models: {
      migrate: 'drop',
      schema: true,
      attributes: {
        id: { type: 'number', autoIncrement: true },
        createdAt: { type: 'number', autoCreatedAt: true },
        updatedAt: { type: 'number', autoUpdatedAt: true },
      },
      dataEncryptionKeys: { default: Buffer.alloc(32, 7).toString('base64') },
      ...config.models,
    },
    orm: { moduleDefinitions: { models: config.onDisk ? {} : structuredCloneOf(config.definitions ?? models) } },
    ...(changefeed !== undefined && { changefeed }),
    ...more,
    hooks: {
      grunt: false,
      i18n: false,
      views: false,
      session: false,
      orm: require('sails-hook-orm'),
      sockets: require('sails-hook-sockets'),
      ...(hook && { changefeed: require(hook) }),
      ...more.hooks,
    },
  }
}

/** The ORM can only reload if it can read the definitions again. */
function writeModels(appPath, definitions) {
  const folder = join(appPath, 'api/models')
  mkdirSync(folder, { recursive: true })
  for (const [identity, definition] of Object.entries(definitions)) {
    const name = identity[0].toUpperCase() + identity.slice(1)
    writeFileSync(join(folder, `${name}.js`), `module.exports = ${JSON.stringify(definition)}`)
  }
}

/** A copy, because Sails modifies definitions. */
const structuredCloneOf = definitions =>
  Object.fromEntries(
    Object.entries(definitions).map(([identity, model]) => [
      identity,
      { ...model, attributes: structuredClone(model.attributes) },
    ]),
  )

function bound(app) {
  return Object.fromEntries(
    Object.entries(actions).map(([name, action]) => [name, (...args) => action.apply(app, args)]),
  )
}

const routes = {
  'GET /pet/watch': 'pet/watch',
  'PATCH /pet/:id/rename': 'pet/rename',
  'PATCH /pet/:id/rename-by-detours': 'pet/rename-by-detours',
  'PATCH /pet/:id/rename-in-pairs': 'pet/rename-in-pairs',
  'DELETE /pet/:id/destroy-and-publish': 'pet/destroy-and-publish',
  'POST /pet/create-and-publish': 'pet/create-and-publish',
}

async function lift(options) {
  const app = new Sails()
  const config = configOf(options)
  config.port = await freePort() // Sails replaces 0 by its default
  config.controllers = { moduleDefinitions: bound(app) }
  config.routes = routes
  try {
    return await new Promise((resolve, reject) => app.lift(config, error => (error ? reject(error) : resolve(app))))
  } catch (error) {
    rmSync(config.appPath, { recursive: true, force: true })
    throw error
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function lower(app) {
  await new Promise((resolve, reject) => app.lower(error => (error ? reject(error) : resolve())))
  rmSync(app.config.appPath, { recursive: true, force: true })
}

module.exports = { freePort, lift, lower, models }
