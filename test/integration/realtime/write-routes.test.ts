import { describe, expect, test } from 'vitest'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import type { RealtimeOptions } from '../../../src/realtime/realtime-options.ts'
import { realtimeApp } from './realtime-app.ts'

const ALL = { write: true } as const
const WRITABLE = { owner: ALL, pet: ALL, student: ALL, course: ALL, account: ALL }

/** Two owners with a pet each and a stray; a requesting socket, and a socket that watches everything. */
async function writing(options: Partial<RealtimeOptions> = {}) {
  const app = await realtimeApp({ models: WRITABLE, ...options })
  const { owner, pet, student, course } = app.collections
  await owner.createEach([{ name: 'ann' }, { name: 'bob' }])
  await pet.createEach([{ name: 'rex', owner: 1 }, { name: 'tom', owner: 2 }, { name: 'stray' }])
  await course.createEach([{ name: 'art' }, { name: 'bio' }])
  await student.create({ name: 'sue', courses: [1] })
  const [asker, watcher] = [await app.connect(), await app.connect()]
  for (const identity of ['owner', 'pet', 'student', 'course', 'account']) {
    const rooms = [classRoom(identity), ...[1, 2, 3].map(id => recordRoom(identity, id))]
    await Promise.all(rooms.map(room => app.realtime.sockets.join(watcher.id, room)))
  }
  return { ...app, asker, watcher }
}

describe('a write over a socket is stored, answered and published', () => {
  test('create', async () => {
    const { asker, watcher, realtime } = await writing()
    expect(await asker.post('/pet', { name: 'new', owner: 1, id: 99, nosuch: 1 })).toMatchObject({
      statusCode: 200,
      body: { id: 4, name: 'new', age: null, owner: { id: 1, name: 'ann' } },
    })
    expect(await watcher.received()).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":4}',
      'pet {"verb":"created","data":{"id":4,"name":"new","age":null,"owner":{"id":1,"name":"ann"}},"id":4}',
    ])
    expect(realtime.sockets.subscribers(recordRoom('pet', 4)).sort()).toEqual([asker.id, watcher.id].sort())
  })

  test('create with members: records that lose a member receive removedFrom', async () => {
    const { asker, watcher } = await writing()
    expect((await asker.post('/owner', { name: 'eve', pets: [1, 3] })).body).toMatchObject({
      id: 3,
      pets: [{ id: 1 }, { id: 3 }],
    })
    expect((await watcher.received()).map(line => line.slice(0, 70))).toEqual([
      'pet {"verb":"updated","data":{"owner":3},"id":1}',
      'pet {"verb":"updated","data":{"owner":3},"id":3}',
      expect.stringContaining('owner {"verb":"created","data":{"pets":[{"id":1'),
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
    ])
  })

  test.each(['patch', 'put'] as const)('update by %s', async method => {
    const { asker, watcher } = await writing()
    expect((await asker[method]('/pet/1', { owner: 2 })).body).toMatchObject({ id: 1, owner: { id: 2, name: 'bob' } })
    expect(await watcher.received()).toEqual([
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'owner {"id":2,"verb":"addedTo","attribute":"pets","addedId":1}',
      'pet {"verb":"updated","data":{"id":1,"owner":2},"id":1,"previous":{"id":1,"name":"rex","age":null,"owner":{"id":1,"name":"ann"}}}',
    ])
    expect((await asker[method]('/pet/99', { name: 'x' })).statusCode).toBe(404)
  })

  test('destroy', async () => {
    const { asker, watcher, collections } = await writing()
    expect((await asker.delete('/owner/1')).body).toMatchObject({ id: 1, name: 'ann' })
    expect(await collections.owner.count()).toBe(1)
    expect(await watcher.received()).toEqual([
      'owner {"verb":"destroyed","id":1,"previous":{"pets":[{"id":1,"name":"rex","age":null,"owner":1}],"id":1,"name":"ann"}}',
      'pet {"verb":"updated","data":{"owner":null},"id":1}',
    ])
    expect((await asker.delete('/owner/1')).statusCode).toBe(404)
  })

  test('add, also members of another record and existing members', async () => {
    const { asker, watcher } = await writing()
    expect((await asker.put('/owner/1/pets/2')).body.pets).toMatchObject([{ id: 1 }, { id: 2 }])
    await asker.put('/owner/1/pets/2')
    await asker.put('/student/1/courses/2')
    expect(await watcher.received()).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":2}',
      'pet {"verb":"updated","data":{"owner":1},"id":2}',
      'owner {"id":2,"verb":"removedFrom","attribute":"pets","removedId":2}',
      'student {"id":1,"verb":"addedTo","attribute":"courses","addedId":2}',
      'course {"id":2,"verb":"addedTo","attribute":"students","addedId":1}',
    ])
    expect((await asker.put('/owner/1/pets/99')).statusCode).toBe(404)
    expect((await asker.put('/owner/99/pets/1')).statusCode).toBe(404)
  })

  test('remove, also records that are not members', async () => {
    const { asker, watcher } = await writing()
    expect((await asker.delete('/owner/1/pets/1')).body.pets).toEqual([])
    await asker.delete('/owner/1/pets/2')
    await asker.delete('/student/1/courses/1')
    expect(await watcher.received()).toEqual([
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'pet {"verb":"updated","data":{"owner":null},"id":1}',
      'student {"id":1,"verb":"removedFrom","attribute":"courses","removedId":1}',
      'course {"id":1,"verb":"removedFrom","attribute":"students","removedId":1}',
    ])
  })

  test('replace: members that are kept are not announced again', async () => {
    const { asker, watcher } = await writing()
    const { body } = await asker.put('/owner/1/pets', ['2', 3])
    expect(body.pets).toMatchObject([{ id: 2 }, { id: 3 }])
    await asker.put('/owner/1/pets', ['3', '2'])
    await asker.put('/student/1/courses', [1, 2])
    expect(await watcher.received()).toEqual([
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":2}',
      'pet {"verb":"updated","data":{"owner":1},"id":2}',
      'owner {"id":1,"verb":"addedTo","attribute":"pets","addedId":3}',
      'pet {"verb":"updated","data":{"owner":1},"id":3}',
      'owner {"id":2,"verb":"removedFrom","attribute":"pets","removedId":2}',
      'owner {"id":1,"verb":"removedFrom","attribute":"pets","removedId":1}',
      'pet {"verb":"updated","data":{"owner":null},"id":1}',
      'student {"id":1,"verb":"addedTo","attribute":"courses","addedId":2}',
      'course {"id":2,"verb":"addedTo","attribute":"students","addedId":1}',
    ])
  })
})

test('the requesting socket receives its own write only with `mirror`', async () => {
  const silent = await writing()
  await silent.asker.get('/pet')
  await silent.asker.patch('/pet/1', { name: 'x' })
  expect(await silent.asker.received()).toEqual([])
  const mirrored = await writing({ mirror: true })
  await mirrored.asker.patch('/pet/1', { name: 'x' })
  expect(await mirrored.asker.received()).toHaveLength(1)
})

test('with a feed the routes only write, and the feed publishes', async () => {
  const { asker, watcher, realtime } = await writing({ feed: { cursor: async () => 'c' } })
  expect((await asker.post('/pet', { name: 'new' })).body).toMatchObject({ id: 4 })
  await asker.patch('/pet/1', { name: 'x' })
  await asker.delete('/pet/2')
  expect(await watcher.received()).toEqual([])
  expect(realtime.sockets.subscribers(recordRoom('pet', 4))).toEqual([asker.id])
  await realtime.publisher.publish({ verb: 'destroyed', identity: 'pet', id: 2 }, { cursor: 'c', at: 1 })
  expect(await watcher.received()).toEqual(['pet {"verb":"destroyed","id":2}'])
})

test('a request that may write but not see a record neither receives it nor is subscribed', async () => {
  const { asker, realtime } = await writing({
    models: { owner: { write: true, policy: (_req, action) => action !== 'find' }, pet: true },
  })
  const answers = [
    await asker.post('/owner', { name: 'eve' }),
    await asker.patch('/owner/1', {}),
    await asker.put('/owner/1/pets/3'),
    await asker.delete('/owner/2'),
  ]
  expect(answers.map(({ statusCode, body }) => [statusCode, body])).toEqual(answers.map(() => [200, 'OK']))
  for (const id of [1, 2, 3]) expect(realtime.sockets.subscribers(recordRoom('owner', id))).not.toContain(asker.id)
})

test('messages about a write contain only ids of records that some clients may not read', async () => {
  const { asker, watcher } = await writing({ models: { pet: { write: true }, owner: { recordPolicy: () => false } } })
  await asker.post('/pet', { name: 'new', owner: 2 })
  await asker.patch('/pet/1', { owner: 2 })
  await asker.delete('/pet/1')
  const pets = (await watcher.received()).filter(line => line.startsWith('pet'))
  expect(pets).toEqual([
    'pet {"verb":"created","data":{"id":4,"name":"new","age":null,"owner":2},"id":4}',
    'pet {"verb":"updated","data":{"id":1,"owner":2},"id":1,"previous":{"id":1,"name":"rex","age":null,"owner":1}}',
    'pet {"verb":"destroyed","id":1,"previous":{"id":1,"name":"rex","age":null,"owner":2}}',
  ])
})

describe('writing is rejected', () => {
  test('if the model is open for reading only, or for other writes', async () => {
    const { asker, collections } = await writing({ models: { pet: true, owner: { write: ['create'] } } })
    expect((await asker.post('/pet', { name: 'x' })).statusCode).toBe(404)
    expect((await asker.post('/owner', { name: 'x' })).statusCode).toBe(200)
    expect((await asker.patch('/owner/1', { name: 'x' })).statusCode).toBe(404)
    expect((await asker.put('/owner/1/pets/3')).statusCode).toBe(404)
    expect(await collections.pet.count()).toBe(3)
  })

  test('by policies, of the model and of the record', async () => {
    const { asker, watcher, collections } = await writing({
      models: {
        owner: { write: true, policy: (_req, action) => action === 'find' || action === 'create' },
        pet: { write: true, recordPolicy: (_req, record, action) => action === 'find' || record.name === 'rex' },
        student: { write: true },
        course: { recordPolicy: (_req, record) => record.name !== 'bio' },
      },
    })
    expect((await asker.patch('/owner/1', { name: 'x' })).statusCode).toBe(403)
    expect((await asker.put('/owner/1/pets', [3])).statusCode).toBe(403)
    expect((await asker.patch('/pet/2', { name: 'x' })).statusCode).toBe(403)
    expect((await asker.patch('/pet/1', { name: 'no longer rex' })).statusCode).toBe(403) // the record after the update
    expect((await asker.delete('/pet/2')).statusCode).toBe(403)
    expect((await asker.post('/pet', { name: 'x' })).statusCode).toBe(403)
    expect((await asker.put('/student/1/courses/2')).statusCode).toBe(404)
    expect((await asker.patch('/pet/1', { age: 1 })).statusCode).toBe(200)
    expect(await collections.pet.find()).toMatchObject([{ name: 'tom' }, { name: 'stray' }, { name: 'rex', age: 1 }])
    expect(await watcher.received()).toHaveLength(1)
  })

  test('for members that the request may not see', async () => {
    const { asker, collections } = await writing({
      models: {
        owner: { write: true },
        student: { write: true },
        course: { recordPolicy: (_, { name }) => name === 'art' },
      },
    })
    expect((await asker.post('/owner', { name: 'eve', pets: [1] })).statusCode).toBe(403)
    expect((await asker.patch('/owner/2', { pets: [1] })).statusCode).toBe(403)
    expect((await asker.patch('/student/1', { courses: [1, 2] })).statusCode).toBe(404)
    expect((await asker.patch('/student/1', { courses: [1] })).statusCode).toBe(200)
    expect(await collections.pet.findOne({ id: 1 })).toMatchObject({ owner: 1 })
    expect(await collections.owner.count()).toBe(2)
  })

  test('for attributes that are not writable, and for invalid bodies', async () => {
    const { asker, collections } = await writing({
      models: { pet: { write: true, writable: ['name', 'age'] }, owner: ALL, account: { write: true, omit: ['note'] } },
    })
    expect((await asker.patch('/pet/1', { name: 'x', owner: 2, id: 7 })).body).toMatchObject({
      id: 1,
      name: 'x',
      owner: { id: 1 },
    })
    const bad: [string, string, unknown][] = [
      ['post', '/pet', [{ name: 'x' }]],
      ['post', '/pet', { age: 'old' }],
      ['patch', '/pet/1', { age: { a: 1 } }],
      ['post', '/account', { password: 'no email' }],
      ['put', '/owner/1/pets', { a: 1 }],
      ['put', '/owner/1/pets', [{ a: 1 }]],
    ]
    for (const [method, url, data] of bad) {
      const answer = await asker.request({ method, url, data: data as object })
      expect(answer, `${method} ${url}`).toMatchObject({ statusCode: 400, body: { code: 'E_BAD_REQUEST' } })
    }
    expect(
      (
        await asker.put(
          '/owner/1/pets',
          Array.from({ length: 1001 }, () => 1),
        )
      ).statusCode,
    ).toBe(413)
    for (const hidden of ['password', 'ssn', 'note']) {
      expect((await asker.post('/account', { email: 'a@x', [hidden]: 'x' })).statusCode, hidden).toBe(400)
    }
    const ann = { email: 'a@x' }
    expect((await asker.post('/account', ann)).body).toEqual({ id: 1, email: 'a@x', updatedAt: expect.any(Number) })
    expect((await asker.post('/account', ann)).body).toMatchObject({ code: 'E_CONFLICT' })
    expect(await collections.account.count()).toBe(1)
  })

  test('for HTTP requests of pages of other origins', async () => {
    const { url, collections } = await writing()
    const post = async (headers: Record<string, string>) =>
      (
        await fetch(`${url}/pet`, {
          method: 'POST',
          body: '{}',
          headers: { 'content-type': 'application/json', ...headers },
        })
      ).status
    expect(await post({ origin: 'https://evil.example' })).toBe(403)
    expect(await post({ origin: url })).toBe(200)
    expect(await post({})).toBe(200)
    expect(await collections.pet.count()).toBe(5)
  })
})
