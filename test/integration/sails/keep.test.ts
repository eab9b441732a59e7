import { expect, test } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import type { Message } from '../../helpers/inbox.ts'
import type { SailsClient } from '../../helpers/sails-client.ts'
import { type LiftedApp, liftApp, summary, type TestApp } from './fixture.ts'
import { payloads, seed, watchEverything } from './scenario.ts'

/** Requests for which blueprints publish every change. */
const PUBLISHED = [
  ['post', '/pet', { name: 'fay', owner: 1 }],
  ['post', '/owner', { name: 'eve', pets: [1, 3] }],
  ['patch', '/pet/1', { name: 'max' }],
  ['patch', '/pet/1', { owner: 2 }],
  ['patch', '/pet/1', { owner: null }],
  ['patch', '/pet/99', { name: 'nobody' }],
  ['post', '/pet', {}],
  ['delete', '/pet/1'],
  ['delete', '/owner/1'],
  ['put', '/owner/1/pets/3'],
  ['put', '/owner/2/pets/1'],
  ['delete', '/owner/1/pets/1'],
  ['put', '/owner/1/pets', [1, 3]],
  ['put', '/owner/1/pets', [1, 2]],
  ['put', '/owner/1/pets', [3]],
  ['post', '/student', { name: 'uma', courses: [1, 2] }],
  ['put', '/student/2/courses/1'],
  ['put', '/student/1/courses', [2, 3]],
  ['delete', '/student/1/courses/1'],
  ['delete', '/student/1'],
  ['get', '/pet/create?name=gus'],
] as const

interface Received {
  readonly watcher: string[]
  readonly actor: string[]
}

/** The messages that two sockets receive, which both watch everything, when one of them makes this request. */
async function ask(
  { app, database, connect, settled }: TestApp,
  [method, url, data]: readonly [string, string, unknown?],
) {
  await seed(database)
  await settled()
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) await watchEverything(client)
  await actor.request({ method, url, ...(data !== undefined && { data: data as object }) })
  await settled(watcher, actor)
  for (const client of [watcher, actor]) await client.disconnect()
  expect(app.hooks.changefeed?.status().state ?? 'running').toBe('running')
  return { watcher: payloads(watcher), actor: payloads(actor) }
}

test('clients receive the messages of blueprints exactly as without the feed: no duplicate, no echo', async () => {
  const messagesOf = async (app: TestApp) => {
    const all: Record<string, Received> = {}
    for (const request of PUBLISHED) all[JSON.stringify(request)] = await ask(app, request)
    await app.lower()
    return all
  }
  const without = await messagesOf(await liftApp({ hook: false }))
  expect(Object.values(without).flatMap(({ watcher }) => watcher).length).toBeGreaterThan(40)
  expect(await messagesOf(await liftApp())).toEqual(without)
})

test.each([
  [
    'members that a PATCH replaces',
    ['patch', '/student/1', { courses: [2, 3] }],
    [
      'student updated 1',
      'course removedFrom 1 students 1',
      'student removedFrom 1 courses 1',
      'course addedTo 3 students 1',
      'student addedTo 1 courses 3',
    ],
  ],
  [
    'children that a PATCH takes over',
    ['patch', '/owner/2', { pets: [1, 2] }],
    ['owner updated 2', 'owner removedFrom 1 pets 1', 'owner addedTo 2 pets 1', 'pet updated 1'],
  ],
] as const)(
  'the feed publishes changes that blueprints make but do not publish: %s',
  async (_name, request, expected) => {
    const app = await liftApp()
    await seed(app.database)
    await app.settled()
    const [watcher, actor] = [await app.connect(), await app.connect()]
    for (const client of [watcher, actor]) await watchEverything(client)
    await actor.request({ method: request[0], url: request[1], data: request[2] })
    await app.settled(watcher, actor)
    expect(summary(watcher).sort()).toEqual([...expected].sort())
    expect(summary(actor)).toEqual([])
  },
)

test('members of a new record are published only if its `created` message does not contain them', async () => {
  const parseBlueprintOptions = (req: { _sails: LiftedApp; param(name: string): unknown }) => {
    const options = req._sails.hooks.blueprints.parseBlueprintOptions(req)
    return req.param('name') === 'bare' ? { ...options, populates: {} } : options
  }
  const app = await liftApp({ more: { blueprints: { parseBlueprintOptions } } })
  await seed(app.database)
  await app.database.query(
    `insert into pet ("createdAt", "updatedAt", name) select 1, 1, 'pet' from generate_series(4, 32)`,
  )
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  await watcher.get('/owner')
  await actor.post('/owner', { name: 'rich', pets: Array.from({ length: 32 }, (_, index) => index + 1) })
  await actor.post('/owner', { name: 'bare', pets: [3] })
  await app.settled(watcher)
  const [{ data }] = watcher.messages.of('owner') as [Message]
  const shown = data.data.pets.map(({ id }: { id: number }) => `owner addedTo 3 pets ${id}`)
  expect(shown).toHaveLength(30)
  expect(summary(watcher).filter(line => line.includes('addedTo 3'))).toHaveLength(2)
  expect(summary(watcher).filter(line => shown.includes(line))).toEqual([])
  expect(summary(watcher)).toEqual(expect.arrayContaining(['owner created 4', 'owner addedTo 4 pets 3']))
})

test('writes of actions, models and SQL are published to all sockets except the requesting one', async () => {
  const app = await liftApp()
  await seed(app.database)
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  for (const client of [watcher, actor]) await watchEverything(client)
  const { pet } = app.app.models
  await actor.patch('/pet/1/rename', { name: 'by an action' })
  await actor.patch('/pet/1/rename-by-detours', { name: 'by detours' })
  await app.settled(watcher, actor)
  expect([summary(watcher), summary(actor)]).toEqual([['pet updated 1', 'pet updated 1'], []])
  for (const client of [watcher, actor]) client.messages.clear()
  await pet.createEach([{ name: 'one' }, { name: 'two' }])
  await pet.update({ id: [4, 5] }).set({ owner: 1 })
  await app.app.sendNativeQuery(`update pet set name = 'native' where id = $1`, [4])
  await app.app.getDatastore().transaction((db: unknown) => pet.destroyOne({ id: 5 }).usingConnection(db))
  await app.settled(watcher, actor)
  const expected = [
    'pet created 4',
    'pet created 5',
    'owner addedTo 1 pets 4',
    'pet updated 4',
    'owner addedTo 1 pets 5',
    'pet updated 5',
    'pet updated 4',
    'pet destroyed 5',
    'owner removedFrom 1 pets 5',
  ]
  expect([summary(watcher), summary(actor)]).toEqual([expected, expected])
})

test('writes of a policy are attributed to its request', async () => {
  const registered: { app?: TestApp } = {}
  const noteVisit = async (_req: unknown, _res: unknown, proceed: () => void) => {
    await registered.app?.app.models.owner.updateOne({ id: 1 }).set({ name: 'visited' })
    proceed()
  }
  const app = await liftApp({ more: { policies: { 'pet/rename': noteVisit } } })
  registered.app = app
  await seed(app.database)
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  for (const client of [watcher, actor]) await watchEverything(client)
  await actor.patch('/pet/1/rename', { name: 'max' })
  await app.settled(watcher, actor)
  expect([summary(watcher), summary(actor)]).toEqual([['owner updated 1', 'pet updated 1'], []])
})

test('the feed does not repeat messages of an action that publishes by itself, as in v0.12', async () => {
  const { connect, settled } = await liftApp()
  const [watcher, actor] = [await connect(), await connect()]
  for (const client of [watcher, actor]) await watchEverything(client)
  await actor.post('/pet/create-and-publish', { name: 'rex' })
  await settled(watcher, actor)
  expect(summary(watcher)).toEqual(['pet created 1'])
})

test('a message of the app that identifies the record only in `previous` is not duplicated', async () => {
  const { database, connect, settled } = await liftApp()
  await database.query(`insert into pet (name) values ('rex')`)
  await settled()
  const [watcher, actor] = [await connect(), await connect()]
  await watcher.get('/pet')
  await actor.delete('/pet/1/destroy-and-publish')
  await settled(watcher, actor)
  // Either copy may come first. Only the feed's has an `id`.
  expect(watcher.messages.of('pet').map(({ data }) => [data.verb, data.previous.id])).toEqual([['destroyed', 1]])
})

test('writes of model callbacks to other models during a blueprint are published', async () => {
  const { models } = await import('./fixture.ts')
  const audit = { attributes: { text: { type: 'string' } } }
  const registered: { app?: TestApp } = {}
  const pet = {
    ...models.pet,
    afterCreate: (record: { name: string }, proceed: (error?: Error) => void) =>
      registered.app?.app.models.audit.create({ text: record.name }).exec(proceed),
  }
  const app = await liftApp({ config: { definitions: { ...models, pet, audit } } })
  registered.app = app
  const [watcher, actor] = [await app.connect(), await app.connect()]
  for (const client of [watcher, actor]) {
    await watchEverything(client)
    await client.get('/audit')
  }
  await actor.post('/pet', { name: 'rex' })
  await app.settled(watcher, actor)
  expect(summary(watcher).sort()).toEqual(['audit created 1', 'pet created 1'])
})

test('under concurrency every socket receives all changes of other sockets once, and none of its own', async () => {
  const app = await liftApp({ config: { datastore: { max: 2 } } })
  const clients = await Promise.all(Array.from({ length: 8 }, () => app.connect()))
  await app.database.query(
    `insert into pet ("createdAt", "updatedAt", name) select 1, 1, 'pet ' || n from generate_series(1, 8) as n`,
  )
  await app.settled()
  for (const client of clients) await client.get('/pet')
  const ways = ['', '/rename', '/rename-by-detours', '', '/rename-by-detours']
  const rename = async (client: SailsClient, id: number) => {
    for (const [round, way] of ways.entries()) await client.patch(`/pet/${id}${way}`, { name: `name ${round}` })
  }
  await Promise.all(clients.map((client, index) => rename(client, index + 1)))
  await app.settled(...clients)
  const counts = clients.map(client =>
    clients.map((_, other) => client.messages.of('pet').filter(({ data }) => data.id === other + 1).length),
  )
  expect(counts).toEqual(clients.map((_, own) => clients.map((_, other) => (own === other ? 0 : ways.length))))
})

test.each(['keep', 'replace'] as const)(
  'with cascadeOnDestroy clients are notified of members that lose a destroyed record, except the requester (%s)',
  async blueprints => {
    const app = await liftApp({ changefeed: { blueprints }, config: { models: { cascadeOnDestroy: true } } })
    const { database, settled, connect } = app
    await seed(database)
    await settled()
    const [watcher, actor] = [await connect(), await connect()]
    for (const client of [watcher, actor]) await watchEverything(client)
    // Locks hold the cascade back, so that the records are deleted before their links.
    const other = await database.connect()
    await other.query('begin; select from pet for update; select from course_students__student_courses for update')
    const requests = [actor.delete('/owner/1'), actor.delete('/student/1')]
    const gone = `select from owner where id = 1 union all select from student where id = 1`
    await eventually(async () => expect(await database.query(gone)).toEqual([]))
    await other.query('commit')
    await Promise.all(requests)
    await settled(watcher, actor)
    // A foreign key that is cleared may be published twice: with `destroyed`, and when it is cleared.
    expect([[...new Set(summary(watcher))].sort(), summary(actor)]).toEqual([
      [
        'course removedFrom 1 students 1',
        'course removedFrom 2 students 1',
        'owner destroyed 1',
        'pet updated 1',
        'student destroyed 1',
      ],
      [],
    ])
  },
)

test.each(['chain', 'map', 'coroutine'])(
  'writes are attributed to the right request when Bluebird settles promises of two requests together (%s)',
  async way => {
    const app = await liftApp()
    await seed(app.database)
    await app.settled()
    const clients = [await app.connect(), await app.connect()] as const
    for (const client of clients) await watchEverything(client)
    const renamed = { name: 'new', way }
    await Promise.all(clients.map((client, index) => client.patch(`/pet/${index + 1}/rename-in-pairs`, renamed)))
    await app.settled(...clients)
    expect(clients.map(summary)).toEqual([['pet updated 2'], ['pet updated 1']])
  },
)

test('a blueprint that never responds delays the feed once, not for each of its changes', async () => {
  const { models } = await import('./fixture.ts')
  const owner = { ...models.owner, afterDestroy: () => {} }
  const app = await liftApp({ config: { definitions: { ...models, owner } } })
  await seed(app.database)
  await app.database.query(`
    insert into pet ("createdAt", "updatedAt", name, owner) select 1, 1, 'pet', 1 from generate_series(1, 10);
    alter table pet add foreign key (owner) references owner on delete cascade`)
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  await watchEverything(watcher)
  void actor.delete('/owner/1')
  await watcher.messages.next('owner', ({ data }) => data.verb === 'destroyed')
  await app.database.query(`insert into owner (name) values ('another')`)
  await watcher.messages.next('owner', ({ data }) => data.verb === 'created', 2_000)
})

test('clients end on the newest state if a blueprint overtakes an earlier change of the feed', async () => {
  const { models } = await import('./fixture.ts')
  const held: { proceed?: () => void } = {}
  const owner = { ...models.owner, afterUpdate: (_: unknown, proceed: () => void) => Object.assign(held, { proceed }) }
  const app = await liftApp({ config: { definitions: { ...models, owner } } })
  await seed(app.database)
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  for (const client of [watcher, actor]) await watchEverything(client)
  const slow = actor.patch('/owner/1', { name: 'slow' }) // the feed waits for this blueprint first
  await eventually(() => expect(held.proceed).toBeDefined())
  await app.database.query(`update pet set name = 'first' where id = 1`)
  await actor.patch('/pet/1', { name: 'second' })
  held.proceed?.()
  await slow
  await app.settled(watcher, actor)
  const names = (client: SailsClient) => client.messages.of('pet').map(({ data }) => data.data.name)
  expect([names(watcher), names(actor)]).toEqual([
    ['second', 'first', 'second'],
    ['first', 'second'],
  ])
})

test('messages about other records that publish callbacks send reach their subscribers for changes of any origin', async () => {
  const { models } = await import('./fixture.ts')
  const lifted: { app?: LiftedApp } = {}
  const _afterPublishUpdate = () => lifted.app?.models.owner._publishUpdate(1, { petsChanged: true })
  const app = await liftApp({ config: { definitions: { ...models, pet: { ...models.pet, _afterPublishUpdate } } } })
  lifted.app = app.app
  await seed(app.database)
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  await watchEverything(watcher)
  await actor.patch('/pet/1', { name: 'by a blueprint' })
  await app.database.query(`update pet set name = 'raw' where id = 1`)
  await app.settled(watcher)
  expect(summary(watcher)).toEqual(['pet updated 1', 'owner updated 1', 'pet updated 1', 'owner updated 1'])
})

test("a write of a lifecycle callback to the record itself is published in addition to the blueprint's message", async () => {
  const { models } = await import('./fixture.ts')
  const lifted: { app?: LiftedApp } = {}
  const beforeUpdate = (_: unknown, proceed: () => void) =>
    lifted.app?.sendNativeQuery(`update pet set nick_name = 'touched' where id = 1`).exec(proceed)
  const app = await liftApp({ config: { definitions: { ...models, pet: { ...models.pet, beforeUpdate } } } })
  lifted.app = app.app
  await seed(app.database)
  await app.settled()
  const [watcher, actor] = [await app.connect(), await app.connect()]
  await watchEverything(watcher)
  await actor.patch('/pet/1', { name: 'max' })
  await app.settled(watcher)
  const received = watcher.messages.of('pet').map(({ data }) => [data.data.name, data.data.nick])
  expect(received).toEqual([
    ['max', undefined],
    [undefined, 'touched'],
  ])
})
