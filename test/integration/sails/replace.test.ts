import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { liftApp, models, summary } from './fixture.ts'

const REPLACE = { changefeed: { blueprints: 'replace' } }

test('only the feed publishes: once, in commit order, and not to the requesting socket', async () => {
  const { connect, settled, database } = await liftApp(REPLACE)
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) for (const path of ['/owner', '/pet']) await client.get(path)
  await actor.post('/owner', { name: 'ann' })
  await actor.post('/pet', { name: 'rex', owner: 1 })
  await actor.put('/owner/1/pets/1')
  await actor.patch('/pet/1', { name: 'max' })
  await database.query(`update pet set name = 'raw'`)
  await actor.patch('/pet/1/rename', { name: 'by an action' })
  await actor.delete('/owner/1')
  await settled(watcher, actor) // its pets are looked up when `destroyed` is published
  await actor.delete('/pet/1')
  await settled(watcher, actor)
  expect(summary(watcher)).toEqual([
    'owner created 1',
    'owner addedTo 1 pets 1',
    'pet created 1',
    'pet updated 1', // the blueprint rewrote the row with the same owner
    'pet updated 1',
    'pet updated 1',
    'pet updated 1',
    'owner destroyed 1',
    'pet updated 1',
    'pet destroyed 1',
  ])
  const cursors = watcher.messages.all.filter(({ event }) => event !== 'mark').map(({ meta }) => meta.cursor)
  expect(cursors.every(cursor => typeof cursor === 'string')).toBe(true)
  expect(JSON.stringify(watcher.messages.all.map(({ meta }) => meta))).not.toContain(actor.id)
  expect(summary(actor)).toEqual(['pet updated 1']) // the raw SQL update
})

test('the requesting socket is subscribed as without the feed', async () => {
  const { app, connect } = await liftApp(REPLACE)
  await app.models.pet.create({ name: 'rex' })
  await app.models.owner.create({ name: 'ann' })
  const actor = await connect()
  await actor.put('/owner/1/pets/1')
  await actor.post('/pet', { name: 'max' })
  const rooms = [...app.sockets.get(actor.id).rooms].filter(room => room !== actor.id).sort()
  expect(rooms).toEqual(['sails_model_owner_1:owner', 'sails_model_pet_1:pet', 'sails_model_pet_2:pet'])
})

test('with mirror the requesting socket receives its own changes as well', async () => {
  const { connect, settled } = await liftApp({ ...REPLACE, more: { blueprints: { mirror: true } } })
  const actor = await connect()
  await actor.get('/pet')
  await actor.post('/pet', { name: 'rex' })
  await actor.patch('/pet/1', { name: 'max' })
  await actor.delete('/pet/1')
  await settled(actor)
  expect(summary(actor)).toEqual(['pet created 1', 'pet updated 1', 'pet destroyed 1'])
})

test('messages of an action that publishes by itself, as in v0.12, are not duplicated', async () => {
  const { connect, settled } = await liftApp(REPLACE)
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) await client.get('/pet')
  await actor.post('/pet/create-and-publish', { name: 'rex' })
  await settled(watcher, actor)
  expect([summary(watcher), summary(actor)]).toEqual([['pet created 1'], []])
})

test('blueprints publish models that are excluded from capture', async () => {
  const { connect, settled } = await liftApp({ changefeed: { blueprints: 'replace', models: { pet: false } } })
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) await client.get('/pet')
  await actor.post('/pet', { name: 'rex' })
  await actor.delete('/pet/1')
  await settled(watcher, actor)
  expect([summary(watcher), summary(actor)]).toEqual([['pet created 1', 'pet destroyed 1'], []])
})

test.each([
  ['nothing is installed in the database', {}, false],
  ['the model was added after the installation', { dog: { attributes: { name: { type: 'string' } } } }, undefined],
] as const)('blueprints publish models that are not captured yet: %s', async (_name, more, hook) => {
  const database = await testDatabase()
  const { lower } = await liftApp({ ...(hook === false && { hook }), config: { definitions: models } }, database)
  await database.query('create table dog (id serial primary key, name text, "createdAt" bigint, "updatedAt" bigint)')
  await lower()
  const config = { models: { migrate: 'safe' }, definitions: { ...models, ...more } }
  const { connect } = await liftApp({ ...REPLACE, config }, database)
  const identity = Object.keys(more)[0] ?? 'owner'
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) await client.get(`/${identity}`)
  await actor.post(`/${identity}`, { name: 'x' })
  await watcher.messages.next(identity)
  expect(summary(watcher)).toEqual([`${identity} created 1`])
})

test('hidden attributes are not sent for changes of any origin, because blueprints do not publish', async () => {
  const { app, connect, settled } = await liftApp(REPLACE)
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) await client.get('/account')
  await actor.post('/account', { email: 'a@x.io', password: 'pass-word', ssn: '123-45' })
  await actor.patch('/account/1', { email: 'b@x.io', password: 'other', ssn: '678-90' })
  app.models.account._publishCreate({ id: 9, password: 'by hand' })
  await actor.delete('/account/1')
  await settled(watcher, actor)
  expect(summary(watcher)).toEqual(['account created 1', 'account updated 1', 'account destroyed 1'])
  for (const { messages } of [watcher, actor]) {
    expect(JSON.stringify(messages.all)).not.toMatch(/password|pass-word|other|by hand|ssn|123-45|678-90|YWVz/)
  }
})
