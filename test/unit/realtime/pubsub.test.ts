import { describe, expect, test } from 'vitest'
import type { Models } from '../../../src/models/model.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { type AttachPubSubOptions, attachPubSub, type WithPubSub } from '../../../src/realtime/pubsub/pubsub.ts'
import { attributeOf } from '../../helpers/attribute.ts'
import { models as school } from '../../integration/publish/school-models.ts'
import { memoryLogger } from '../../integration/realtime/memory-logger.ts'
import { socketServer } from '../../integration/realtime/socket-server.ts'

/** Live models with methods and callbacks of an app. */
async function setUp(defined: Record<string, object> = {}, options: Partial<AttachPubSubOptions> = {}) {
  const server = await socketServer()
  const logger = memoryLogger()
  const models: Models = options.models ?? school
  const live = Object.fromEntries([...models.keys()].map(identity => [identity, { identity, ...defined[identity] }]))
  attachPubSub(live, { io: server.io, models, logger, ...options })
  const model = (identity: string) => live[identity] as unknown as WithPubSub
  /** A socket that is subscribed to all records of these tests, and its messages as lines. */
  const watcher = async (...rooms: string[]) => {
    const { socket, received } = await server.member(...rooms)
    const lines = async () => (await received()).map(({ event, data }) => `${event} ${JSON.stringify(data)}`)
    return { socket, lines }
  }
  return { ...server, logger, model, watcher }
}

const records = (identity: string, ...ids: number[]) => ids.map(id => recordRoom(identity, id))
const family = [classRoom('owner'), classRoom('pet'), ...records('owner', 1, 2), ...records('pet', 1, 2)]
const rex = { id: 1, name: 'rex', owner: 1, breed: null }

describe.each([
  ['v1', '_publish'],
  ['v0.12', 'publish'],
])('messages about records, by the names of %s', (_version, prefix) => {
  const call = (model: WithPubSub, name: string, ...args: unknown[]) =>
    (model as unknown as Record<string, (...args: unknown[]) => void>)[`${prefix}${name}`]?.(...args)

  test('created: messages to the parents, then to the watchers, who are subscribed', async () => {
    const { model, watcher } = await setUp()
    const ann = await watcher(...family)
    call(model('pet'), 'Create', { ...rex, id: 7 })
    expect(ann.socket.rooms).toContain(recordRoom('pet', 7))
    call(model('pet'), 'Create', [{ ...rex, id: 8, owner: { id: 2, name: 'bob' } }], undefined, { noIntroduce: true })
    expect(ann.socket.rooms).not.toContain(recordRoom('pet', 8))
    expect(await ann.lines()).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":7}',
      'pet {"verb":"created","data":{"id":7,"name":"rex","owner":1,"breed":null},"id":7}',
      'owner {"id":2,"verb":"addedTo","attribute":"pets","addedId":8}',
      'pet {"verb":"created","data":{"id":8,"name":"rex","owner":{"id":2,"name":"bob"},"breed":null},"id":8}',
    ])
  })

  test('created with members: a message to each member', async () => {
    const { model, watcher } = await setUp()
    const ann = await watcher(...family, ...records('course', 1, 2))
    call(model('owner'), 'Create', { id: 3, name: 'eve', pets: [{ ...rex, owner: 3 }, 2] })
    call(model('student'), 'Create', { id: 9, courses: [1, { id: 2 }] })
    expect(await ann.lines()).toEqual([
      'pet {"verb":"updated","data":{"owner":3},"id":1}',
      'pet {"verb":"updated","data":{"owner":3},"id":2}',
      'owner {"verb":"created","data":{"id":3,"name":"eve","pets":[{"id":1,"name":"rex","owner":3,"breed":null},2]},"id":3}',
      'course {"id":1,"verb":"addedTo","attribute":"students","addedId":9}',
      'course {"id":2,"verb":"addedTo","attribute":"students","addedId":9}',
    ])
  })

  test('updated: with `previous`, messages to the old and new parents', async () => {
    const { model, watcher } = await setUp()
    const ann = await watcher(...family)
    call(model('pet'), 'Update', 1, { name: 'max' })
    call(model('pet'), 'Update', '1', { owner: 2 }, undefined, { previous: { ...rex, owner: { id: 1 } } })
    call(model('pet'), 'Update', 1, { owner: 1 }, undefined, { previous: { ...rex, owner: 2 }, noReverse: true })
    call(model('owner'), 'Update', 1, { pets: [2] }, undefined, { previous: { id: 1, pets: [rex] } })
    expect(await ann.lines()).toEqual([
      'pet {"verb":"updated","data":{"name":"max"},"id":1}',
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'owner {"id":2,"verb":"addedTo","attribute":"pets","addedId":1}',
      'pet {"verb":"updated","data":{"owner":2},"id":1,"previous":{"id":1,"name":"rex","owner":{"id":1},"breed":null}}',
      'pet {"verb":"updated","data":{"owner":1},"id":1,"previous":{"id":1,"name":"rex","owner":2,"breed":null}}',
      'pet {"verb":"updated","data":{"owner":null},"id":1}',
      'pet {"verb":"updated","data":{"owner":1},"id":2}',
      'owner {"verb":"updated","data":{"pets":[2]},"id":1,"previous":{"id":1,"pets":[{"id":1,"name":"rex","owner":1,"breed":null}]}}',
    ])
  })

  test('destroyed: then messages to parents or children, and all sockets leave the room', async () => {
    const { model, watcher } = await setUp()
    const ann = await watcher(...family)
    call(model('pet'), 'Destroy', 1, undefined, { previous: rex })
    call(model('owner'), 'Destroy', 2, undefined, { previous: { id: 2, pets: [{ id: 2 }] } })
    call(model('owner'), 'Destroy', 1)
    call(model('owner'), 'Update', 1, { name: 'ghost' })
    expect([...ann.socket.rooms]).toEqual([ann.socket.id, classRoom('owner'), classRoom('pet'), recordRoom('pet', 2)])
    expect(await ann.lines()).toEqual([
      'pet {"verb":"destroyed","id":1,"previous":{"id":1,"name":"rex","owner":1,"breed":null}}',
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'owner {"verb":"destroyed","id":2,"previous":{"id":2,"pets":[{"id":2}]}}',
      'pet {"verb":"updated","data":{"owner":null},"id":2}',
      'owner {"verb":"destroyed","id":1}',
    ])
  })

  test('added and removed: messages to both ends, and the requesting socket is subscribed to the added record', async () => {
    const { model, watcher } = await setUp()
    const ann = await watcher(...family, ...records('student', 1), ...records('course', 3))
    const asker = await watcher()
    call(model('owner'), 'Add', 1, 'pets', 2, { socket: asker.socket, isSocket: true })
    call(model('owner'), 'Add', 1, 'pets', { id: 2, name: 'tom' }, undefined, { noReverse: true })
    call(model('owner'), 'Remove', 1, 'pets', 2)
    call(model('student'), 'Add', 1, 'courses', '3')
    call(model('student'), 'Remove', 1, 'courses', 3)
    expect([...asker.socket.rooms]).toEqual([asker.socket.id, recordRoom('pet', 2)])
    expect(await ann.lines()).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":2}',
      'pet {"verb":"updated","data":{"owner":1},"id":2}',
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":2,"added":{"id":2,"name":"tom"}}',
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":2}',
      'pet {"verb":"updated","data":{"owner":null},"id":2}',
      'student {"id":1,"verb":"addedTo","attribute":"courses","addedId":3}',
      'course {"id":3,"verb":"addedTo","attribute":"students","addedId":1}',
      'student {"id":1,"verb":"removedFrom","attribute":"courses","removedId":3}',
      'course {"id":3,"verb":"removedFrom","attribute":"students","removedId":1}',
    ])
  })

  test('the requesting socket is excluded', async () => {
    const { model, watcher } = await setUp()
    const [asker, other] = [await watcher(...family), await watcher(...family)]
    call(model('pet'), 'Create', { ...rex, id: 7 }, asker.socket)
    call(model('pet'), 'Update', 7, { name: 'max' }, { socket: asker.socket })
    call(model('pet'), 'Destroy', 7, { socket: asker.socket })
    expect(await asker.lines()).toEqual([])
    expect(await other.lines()).toHaveLength(4)
  })

  test('misuse is logged and sends nothing', async () => {
    const { model, watcher, logger } = await setUp()
    const ann = await watcher(...family)
    call(model('pet'), 'Create', { name: 'no id' })
    call(model('pet'), 'Update', undefined, { name: 'x' })
    call(model('pet'), 'Destroy', { id: 1 })
    call(model('owner'), 'Add', 1, 'nosuch', 2)
    call(model('owner'), 'Add', 1, 'pets', { name: 'no id' })
    call(model('owner'), 'Remove', 1, 'pets', { id: 2 })
    expect(await ann.lines()).toEqual([])
    expect(logger.lines).toEqual([
      'error Invalid usage of pet._publishCreate(record, [req]): the record has no id',
      'error Invalid usage of pet._publishUpdate(id, changes, [req])',
      'error Invalid usage of pet._publishDestroy(id, [req])',
      'error Invalid usage of owner._publishAdd(id, alias, idAdded|recordAdded, [req])',
      'error Invalid usage of owner._publishAdd(id, alias, idAdded|recordAdded, [req])',
      'error Invalid usage of owner._publishRemove(id, alias, idRemoved, [req])',
    ])
  })
})

describe('methods and callbacks of the app', () => {
  test('methods are kept, and other models call them', async () => {
    const calls: unknown[][] = []
    const { model, watcher } = await setUp({
      owner: { _publishAdd: (...args: unknown[]) => void calls.push(args.slice(0, 3)) },
    })
    const ann = await watcher(...family)
    model('pet').publishCreate({ ...rex, id: 7 })
    model('owner').publishAdd(1, 'pets', 7)
    expect(calls).toEqual([
      [1, 'pets', 7],
      [1, 'pets', 7],
    ])
    expect(await ann.lines()).toHaveLength(1)
  })

  test('callbacks of both versions are called around each message', async () => {
    const calls: string[] = []
    const tells = (...names: string[]) =>
      Object.fromEntries(
        names.map(name => [name, (...args: unknown[]) => void calls.push(`${name} ${JSON.stringify(args[0])}`)]),
      )
    const { model } = await setUp({
      pet: tells('_beforePublishCreate', '_afterPublishCreate', 'beforePublishUpdate', '_afterPublishDestroy'),
      owner: tells('_beforePublishAdd', 'afterPublishAdd', '_beforePublishRemove', '_afterPublishRemove'),
    })
    model('pet').publishCreate({ id: 7, owner: 1 })
    model('pet')._publishUpdate(7, { name: 'max' })
    model('pet').publishDestroy(7)
    model('owner').publishRemove(1, 'pets', 7, undefined, { noReverse: true })
    expect(calls).toEqual([
      '_beforePublishCreate {"id":7,"owner":1}',
      '_beforePublishAdd 1',
      'afterPublishAdd 1',
      '_afterPublishCreate {"id":7,"owner":1}',
      'beforePublishUpdate 7',
      '_afterPublishDestroy 7',
      '_beforePublishRemove 1',
      '_afterPublishRemove 1',
    ])
  })

  test('methods attached to another server before are replaced', async () => {
    const { model, watcher } = await setUp()
    const closed = await socketServer()
    const live = { pet: model('pet') }
    attachPubSub(live, { io: closed.io, models: school })
    const old = await watcher(...family)
    const now = await closed.member(...family)
    live.pet.publishUpdate(1, { name: 'max' })
    expect(await old.lines()).toEqual([])
    expect(await now.received()).toHaveLength(1)
  })

  test('methods are not enumerable', async () => {
    const { model } = await setUp()
    expect(Object.keys(model('pet'))).toEqual(['identity'])
  })
})

test('hidden attributes are omitted, also in populated records', async () => {
  const account = { ...school.get('owner'), identity: 'account', associations: [] }
  const models = new Map(school).set('account', {
    ...account,
    attributes: new Map([
      ['id', attributeOf({ name: 'id', type: 'number' })],
      ['email', attributeOf({ name: 'email', type: 'string' })],
      ['ssn', attributeOf({ name: 'ssn', type: 'string', encrypt: true })],
      ['note', attributeOf({ name: 'note', column: 'note_col', type: 'string', visible: false })],
    ]),
    customToJSON() {
      const { password, ...shown } = this as Record<string, unknown>
      return shown
    },
  } as never)
  models.set('login', {
    ...account,
    identity: 'login',
    associations: [{ type: 'model', alias: 'account', model: 'account' }],
  } as never)
  const { model, watcher } = await setUp({}, { models })
  const ann = await watcher(...['account', 'login'].flatMap(identity => [classRoom(identity), recordRoom(identity, 1)]))
  const secret = { id: 1, email: 'a@x', password: 'pw', ssn: '123', note: 'n' }
  model('account').publishCreate(secret)
  model('account').publishUpdate(1, { email: 'b@x', password: 'pw', ssn: '1', note: 'n' }, undefined, {
    previous: secret,
  })
  model('login').publishDestroy(1, undefined, { previous: { id: 1, account: secret } })
  expect(await ann.lines()).toEqual([
    'account {"verb":"created","data":{"id":1,"email":"a@x"},"id":1}',
    'account {"verb":"updated","data":{"email":"b@x"},"id":1,"previous":{"id":1,"email":"a@x"}}',
    'login {"verb":"destroyed","id":1,"previous":{"id":1,"account":{"id":1,"email":"a@x"}}}',
  ])
})

describe('subscribing', () => {
  test('to records, by id or record, and unsubscribing', async () => {
    const { model, watcher } = await setUp()
    const { socket } = await watcher()
    model('pet').subscribe({ socket }, [1, '2'])
    model('pet').subscribe(socket, [{ id: 3 }])
    model('pet').subscribe(socket, 0)
    expect([...socket.rooms]).toEqual([socket.id, ...records('pet', 1, 2, 3, 0)])
    model('pet').unsubscribe(socket, [1, 2, 0])
    expect([...socket.rooms]).toEqual([socket.id, ...records('pet', 3)])
    expect(() => model('pet').subscribe(socket, [null as never])).toThrow(TypeError)
  })

  test('to some contexts only, as in v0.12', async () => {
    const { model, watcher } = await setUp()
    const picky = await watcher()
    const both = await watcher(recordRoom('owner', 1))
    model('owner').subscribe(picky.socket, 1, ['update', 'add:pets'])
    model('owner').subscribe(both.socket, 1, 'update')
    model('owner').publishUpdate(1, { name: 'a' })
    model('owner').publishAdd(1, 'pets', 2)
    model('owner').message(1, 'hi')
    model('owner').publishDestroy(1)
    expect(await picky.lines()).toEqual([
      'owner {"verb":"updated","data":{"name":"a"},"id":1}',
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":2}',
    ])
    expect(await both.lines()).toHaveLength(4)
    expect([...picky.socket.rooms]).toEqual([picky.socket.id])
  })

  test("a model's autosubscribe sets the default contexts", async () => {
    const { model, watcher } = await setUp({ pet: { autosubscribe: ['destroy'] }, owner: { autosubscribe: false } })
    const { socket } = await watcher(classRoom('pet'))
    model('pet').subscribe(socket, 1)
    model('pet').introduce({ id: 2 })
    model('owner').subscribe(socket, 1)
    expect([...socket.rooms]).toEqual([
      socket.id,
      classRoom('pet'),
      'sails_model_pet_1:destroy',
      'sails_model_pet_2:destroy',
    ])
  })

  test('to new records, and unsubscribing', async () => {
    const { model, watcher } = await setUp()
    const { socket } = await watcher()
    model('pet').watch({ socket })
    expect(model('pet').watchers()).toEqual([socket.id])
    model('pet').introduce(5)
    expect(model('pet').subscribers({ id: 5 })).toEqual([socket.id])
    expect(model('pet').subscribers(5, 'update')).toEqual([socket.id])
    model('pet').retire({ id: 5 })
    expect(model('pet').subscribers(5)).toEqual([])
    model('pet').unwatch({ socket })
    expect([...socket.rooms]).toEqual([socket.id])
  })

  test('a request that did not come over a socket is ignored', async () => {
    const { model, logger } = await setUp()
    const request = { headers: {}, socket: {} }
    model('pet').subscribe(request, [1])
    model('pet').unsubscribe(request, [1])
    model('pet')._watch(request)
    expect(logger.lines).toEqual([
      'debug pet.subscribe() ignored a request that did not come over a socket',
      'debug pet.unsubscribe() ignored a request that did not come over a socket',
      'debug pet._watch() ignored a request that did not come over a socket',
    ])
  })

  test('rooms are named as in Sails', async () => {
    const { model, logger } = await setUp()
    const pet = model('pet')
    expect([pet.getRoomName(1), pet._room(1), pet.room(1), pet.room(1, 'update')]).toEqual([
      'sails_model_pet_1:pet',
      'sails_model_pet_1:pet',
      'sails_model_pet_1:pet',
      'sails_model_pet_1:update',
    ])
    expect([pet.classRoom(), pet._classRoom()]).toEqual(['sails_model_create_pet', 'sails_model_create_pet'])
    expect(model('owner').getAllContexts()).toEqual(['update', 'destroy', 'message', 'add:pets', 'remove:pets'])
    expect(pet.getRoomName(undefined as never)).toBeUndefined()
    expect(logger.lines).toEqual(['error pet._room() requires an id'])
  })
})

test("publish() sends the app's data unchanged, with the signatures of both versions", async () => {
  const { model, watcher, logger } = await setUp()
  const ann = await watcher(classRoom('pet'), ...records('pet', 1, 2))
  const pet = model('pet')
  pet.publish([1, 2], { n: 1 })
  pet.publish([1], 'text')
  pet.publish([1], { n: 2 }, { socket: ann.socket })
  pet.publish({ id: 1 }, [3])
  pet.publish([1], 'hello', 'message', { n: 4 })
  pet.publish([1], 'hello', null, { n: 5 })
  pet.publish(null, 'hello', 'message', { n: 6 })
  pet.publish([], { n: 7 })
  pet.publish(undefined as never, { n: 8 })
  expect(() => pet.publish([null as never], { n: 9 })).toThrow(TypeError)
  expect(await ann.lines()).toEqual([
    'pet {"n":1}',
    'pet {"n":1}',
    'pet "text"',
    'pet [3]',
    'hello {"n":4}',
    'hello {"n":5}',
    'hello {"n":6}',
  ])
  expect(logger.lines.filter(line => line.startsWith('error'))).toEqual(['error pet.publish() requires ids'])
})

test("the app's publish calls send nothing for models of a feed, but still subscribe", async () => {
  const { model, watcher } = await setUp({}, { isPublishedByFeed: identity => identity !== 'owner' })
  const ann = await watcher(...family)
  model('pet').publishCreate(rex)
  model('pet').publishUpdate(1, { name: 'max' })
  model('pet').publishDestroy(1)
  model('student').publishAdd(1, 'courses', 3, { socket: ann.socket })
  model('owner').publishUpdate(1, { name: 'eve' })
  expect(ann.socket.rooms).toContain(recordRoom('course', 3))
  expect(await ann.lines()).toEqual(['owner {"verb":"updated","data":{"name":"eve"},"id":1}'])
})
