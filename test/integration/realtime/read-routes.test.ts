import { describe, expect, test } from 'vitest'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import type { RealtimeOptions } from '../../../src/realtime/realtime-options.ts'
import { realtimeApp } from './realtime-app.ts'

const OPEN = { owner: true, pet: true, student: true, course: true } as const

async function family(options: Partial<RealtimeOptions> = {}) {
  const app = await realtimeApp({ models: OPEN, ...options })
  const { owner, pet } = app.collections
  await owner.createEach([{ name: 'ann' }, { name: 'bob' }])
  await pet.createEach([
    { name: 'rex', age: 3, owner: 1 },
    { name: 'tom', age: 5, owner: 1 },
    { name: 'stray', age: 7 },
  ])
  const roomsOf = (id: string) =>
    [...(app.realtime.io.of('/').sockets.get(id)?.rooms ?? [])].filter(room => room !== id).sort()
  return { ...app, roomsOf }
}

const rooms = (identity: string, ...ids: number[]) => ids.map(id => recordRoom(identity, id))

describe('models are closed', () => {
  test('until they are listed', async () => {
    const { connect } = await family({ models: { owner: true } })
    const client = await connect()
    expect((await client.get('/pet')).statusCode).toBe(404)
    expect((await client.get('/owner/1/pets')).statusCode).toBe(404)
    expect((await client.get('/owner')).body).toEqual([
      { id: 1, name: 'ann' },
      { id: 2, name: 'bob' },
    ])
    for (const method of ['post', 'put', 'patch', 'delete'] as const) {
      expect((await client[method]('/owner/1', { name: 'x' })).statusCode).toBe(404)
    }
  })

  test('to requests that the policy denies', async () => {
    const { connect, roomsOf } = await family({
      models: { owner: { policy: req => req.get('authorization') === 'yes' }, pet: { policy: async () => false } },
      clientHeaders: ['Authorization'],
    })
    const client = await connect()
    expect(await client.get('/owner')).toMatchObject({ statusCode: 403, body: { code: 'E_FORBIDDEN' } })
    expect(roomsOf(client.id)).toEqual([])
    const allowed = await client.request({ method: 'get', url: '/owner', headers: { authorization: 'yes' } })
    expect(allowed.body).toEqual([
      { id: 1, name: 'ann' },
      { id: 2, name: 'bob' },
    ])
    expect(
      (await client.request({ method: 'get', url: '/owner/1/pets', headers: { authorization: 'yes' } })).statusCode,
    ).toBe(403)
    expect(roomsOf(client.id)).toEqual([classRoom('owner'), ...rooms('owner', 1, 2)])
  })

  test('for records that the policy hides: not returned, populated, subscribed or announced', async () => {
    const { connect, roomsOf } = await family({
      models: { owner: true, pet: { recordPolicy: (_req, record) => record.name !== 'tom' } },
    })
    const client = await connect()
    expect((await client.get('/pet', { populate: 'false' })).body.map((pet: { name: string }) => pet.name)).toEqual([
      'rex',
      'stray',
    ])
    expect(roomsOf(client.id)).toEqual([classRoom('owner'), ...rooms('pet', 1, 3)])
    expect((await client.get('/pet/2')).statusCode).toBe(404)
    expect((await client.get('/owner/1')).body.pets).toMatchObject([{ name: 'rex' }])
    expect((await client.get('/owner/1/pets')).body).toMatchObject([{ name: 'rex' }])
    expect(roomsOf(client.id)).not.toContain(recordRoom('pet', 2))
    expect(roomsOf(client.id)).not.toContain(classRoom('pet'))
  })
})

describe('a socket that reads is subscribed as in blueprints', () => {
  test('GET /pet: records, populated records, the class room and those of associated models', async () => {
    const { connect, roomsOf } = await family()
    const client = await connect()
    expect((await client.get('/pet')).body).toEqual([
      { id: 1, name: 'rex', age: 3, owner: { id: 1, name: 'ann' } },
      { id: 2, name: 'tom', age: 5, owner: { id: 1, name: 'ann' } },
      { id: 3, name: 'stray', age: 7, owner: null },
    ])
    expect(roomsOf(client.id)).toEqual(
      [classRoom('owner'), classRoom('pet'), ...rooms('owner', 1), ...rooms('pet', 1, 2, 3)].sort(),
    )
  })

  test('GET /course with nothing in it: its class room', async () => {
    const { connect, roomsOf } = await family()
    const client = await connect()
    expect((await client.get('/course')).body).toEqual([])
    expect(roomsOf(client.id)).toEqual([classRoom('course')])
  })

  test('GET /owner/1: the record, its members, and the class rooms of associated models', async () => {
    const { connect, roomsOf } = await family()
    const client = await connect()
    expect((await client.get('/owner/1')).body).toEqual({
      id: 1,
      name: 'ann',
      pets: [
        { id: 1, name: 'rex', age: 3, owner: 1 },
        { id: 2, name: 'tom', age: 5, owner: 1 },
      ],
    })
    expect(roomsOf(client.id)).toEqual([classRoom('pet'), ...rooms('owner', 1), ...rooms('pet', 1, 2)].sort())
    expect((await client.get('/owner/99')).statusCode).toBe(404)
  })

  test('GET /owner/1/pets and /pet/1/owner: the parent and the members', async () => {
    const { connect, roomsOf } = await family()
    const client = await connect()
    expect((await client.get('/owner/1/pets', { sort: 'name DESC', limit: 1 })).body).toEqual([
      { id: 2, name: 'tom', age: 5, owner: 1 },
    ])
    expect(roomsOf(client.id)).toEqual([classRoom('pet'), ...rooms('owner', 1), ...rooms('pet', 2)].sort())
    expect((await client.get('/pet/1/owner')).body).toEqual({ id: 1, name: 'ann' })
    expect((await client.get('/pet/3/owner')).statusCode).toBe(404)
    expect((await client.get('/owner/2/pets')).body).toEqual([])
    expect((await client.get('/owner/9/pets')).statusCode).toBe(404)
  })

  test('HTTP requests subscribe no socket', async () => {
    const { url, realtime } = await family()
    expect(await (await fetch(`${url}/owner?populate=false&limit=1`)).json()).toEqual([{ id: 1, name: 'ann' }])
    expect(realtime.sockets.rooms()).toEqual([])
  })
})

describe('queries', () => {
  const cases: [string, object, unknown[]][] = [
    ['an equation', { name: 'rex' }, ['rex']],
    ['of a number as text', { age: '5' }, ['tom']],
    ['where as JSON', { where: '{"age":{">":3}}' }, ['tom', 'stray']],
    ['where as data', { where: { or: [{ name: 'rex' }, { age: 7 }] } }, ['rex', 'stray']],
    ['a list', { where: { name: ['rex', 'tom'] } }, ['rex', 'tom']],
    ['in and nin', { where: { name: { nin: ['rex', 'tom'] } } }, ['stray']],
    ['text', { where: { name: { startsWith: 's', endsWith: 'y' } } }, ['stray']],
    ['null', { where: { owner: null } }, ['stray']],
    ['and', { where: { and: [{ age: { '<=': 5 } }, { name: { '!=': 'rex' } }] } }, ['tom']],
    ['limit and skip', { limit: 1, skip: '1' }, ['tom']],
    ['sort by text', { sort: 'age DESC' }, ['stray', 'tom', 'rex']],
    ['sort by a list', { sort: [{ name: 'desc' }, { age: 'ASC' }], where: { owner: 1 } }, ['tom', 'rex']],
    ['sort as JSON', { sort: '{"age":"DESC"}', limit: '2' }, ['stray', 'tom']],
  ]
  test('as in Waterline', async () => {
    const { connect } = await family()
    const client = await connect()
    for (const [name, query, expected] of cases) {
      const { body } = await client.get('/pet', query)
      expect(Array.isArray(body) ? body.map(pet => pet.name) : body, name).toEqual(expected)
    }
    expect((await client.get('/pet/1', { select: 'name' })).body).toEqual({ id: 1, name: 'rex' })
    expect((await client.get('/pet', { omit: 'owner,age', limit: 1 })).body).toEqual([{ id: 1, name: 'rex' }])
    expect((await client.get('/owner/1', { populate: 'false' })).body).toEqual({ id: 1, name: 'ann' })
    expect((await client.get('/student', { populate: 'courses' })).statusCode).toBe(200)
  })

  const refused: [string, object, number][] = [
    ['where that is no JSON', { where: '{' }, 400],
    ['where that is no object', { where: [1] }, 400],
    ['an unknown attribute', { nosuch: 1 }, 400],
    ['an unknown operator', { where: { name: { regexp: 'x' } } }, 400],
    ['an operator with an odd value', { where: { age: { '>': [1] } } }, 400],
    ['a value that does not fit', { where: { age: { '>': 'x' } } }, 400],
    ['an object as value', { where: { name: { in: [{ a: 1 }] } } }, 400],
    ['a NUL in text', { where: { name: 'a\0b' } }, 400],
    ['an empty or', { where: { or: [] } }, 400],
    ['a prototype', { where: '{"__proto__":{"name":"x"}}' }, 400],
    ['deep branches', { where: JSON.parse(`${'{"or":['.repeat(30)}{"name":"x"}${']}'.repeat(30)}`) }, 413],
    ['a long list', { where: { id: Array.from({ length: 1001 }, (_, n) => n) } }, 413],
    ['too large a page', { limit: 201 }, 413],
    ['a limit that is none', { limit: '-1' }, 400],
    ['a limit in words', { limit: { a: 1 } }, 400],
    ['a fraction', { skip: 1.5 }, 400],
    ['an unknown sort', { sort: 'nosuch ASC' }, 400],
    ['a sort with SQL in it', { sort: 'name; drop table pet' }, 400],
    ['an unknown association', { populate: 'nosuch' }, 400],
    ['a populate that is none', { populate: { a: 1 } }, 400],
    ['a select that is none', { select: 7 }, 400],
  ]
  test('that are invalid are rejected, and subscribe no socket', async () => {
    const { connect, roomsOf, logger } = await family()
    const client = await connect()
    for (const [name, query, statusCode] of refused) {
      expect(await client.get('/pet', query), name).toMatchObject({
        statusCode,
        body: { code: /E_BAD_REQUEST|E_TOO_LARGE/ },
      })
    }
    for (const id of ['x', '99999999999999999999', '1.5', 'x'.repeat(2000), '%00']) {
      expect((await client.get(`/pet/${id}`)).statusCode, id).toBeOneOf([400, 404])
    }
    expect(roomsOf(client.id).filter(room => room.startsWith('sails_model_pet_'))).toEqual([])
    expect(logger.lines).toEqual([])
  })
})

test.each(['account', 'Account'])('clients cannot search, sort or select by hidden attributes of %s', async name => {
  const { connect, collections } = await realtimeApp({ models: { [name]: { omit: ['note'] } } })
  await collections.account.create({ email: 'a@x', password: 'pw', ssn: '123', note: 'n' })
  const client = await connect()
  expect((await client.get('/account')).body).toEqual([{ id: 1, email: 'a@x', updatedAt: expect.any(Number) }])
  for (const name of ['password', 'ssn', 'note', 'note_col']) {
    expect((await client.get('/account', { where: { [name]: { startsWith: 'p' } } })).statusCode, name).toBe(400)
    expect((await client.get('/account', { sort: name })).statusCode, name).toBe(400)
    expect((await client.get('/account', { select: name })).body, name).toEqual([{ id: 1 }])
  }
})

test('records of an omitted foreign key are not read, populated or subscribed', async () => {
  const { connect, roomsOf } = await family({ models: { owner: true, pet: { omit: ['owner'] } } })
  const client = await connect()
  expect((await client.get('/pet/1')).body).toEqual({ id: 1, name: 'rex', age: 3 })
  expect((await client.get('/pet/1', { populate: 'owner' })).statusCode).toBe(400)
  expect((await client.get('/pet/1/owner')).statusCode).toBe(404)
  expect(roomsOf(client.id)).toEqual(rooms('pet', 1))
})

test('a query with too many conditions or values is not run', async () => {
  const { connect } = await family()
  const client = await connect()
  const many = (length: number, make: (index: number) => unknown) => Array.from({ length }, (_, index) => make(index))
  const ask = async (where: object) =>
    (await client.get('/pet', { where: JSON.stringify(where), populate: 'false' })).statusCode
  const some = many(20, age => ({ age }))
  expect(await ask({ or: many(100, () => ({ or: some })) })).toBe(413)
  expect(await ask({ or: many(100, () => ({ id: many(100, id => id) })) })).toBe(413)
  expect(await ask({ or: many(200, age => ({ age })) })).toBe(200)
  expect(await ask({ id: many(1000, id => id) })).toBe(200)
})

describe('no change is lost between the list and the messages', () => {
  test('the socket joins the rooms before the rows are read, and the response has the cursor', async () => {
    const seen: string[][] = []
    const feed = {
      cursor: async () => {
        seen.push(app.roomsOf(client.id))
        return `c${seen.length}`
      },
    }
    const app = await family({ feed })
    const client = await app.connect()
    const { headers } = await client.get('/pet')
    const all = [classRoom('owner'), classRoom('pet'), ...rooms('owner', 1), ...rooms('pet', 1, 2, 3)].sort()
    expect(seen).toEqual([all])
    expect(headers['changefeed-cursor']).toBe('c1')
    expect((await client.get('/pet/1')).headers['changefeed-cursor']).toBe('c2')
  })

  test('the list is read again after joining the room of a record that appeared meanwhile', async () => {
    let reads = 0
    const feed = {
      cursor: async () => {
        // Written outside of the app after the rooms were joined, so that only the rows show it.
        if (reads++ === 0) await app.collections.pet.create({ name: 'late', owner: 2 })
        return `c${reads}`
      },
    }
    const app = await family({ feed })
    const client = await app.connect()
    const { body, headers } = await client.get('/pet')
    expect(body).toHaveLength(4)
    expect(headers['changefeed-cursor']).toBe('c2')
    expect(app.roomsOf(client.id)).toEqual(expect.arrayContaining([...rooms('pet', 4), ...rooms('owner', 2)]))
  })
})

test('the number of rooms per socket is limited', async () => {
  const { connect, roomsOf } = await family({ limits: { roomsPerSocket: 5 } })
  const client = await connect()
  expect(await client.get('/pet')).toMatchObject({ statusCode: 403, body: { code: 'E_TOO_MANY_ROOMS' } })
  expect(roomsOf(client.id)).toEqual([])
  expect((await client.get('/pet', { limit: 1, populate: 'false' })).statusCode).toBe(200)
})

test('invalid options are named', async () => {
  const { collections } = await family()
  const { serve } = await import('./realtime-app.ts')
  const refused: [object, string][] = [
    [{ models: { nosuch: true } }, '`nosuch`, which is no model'],
    [{ models: { pet: { omit: ['nosuch'] } } }, 'models.pet.omit` names `nosuch`'],
    [{ models: { pet: { writable: ['nosuch'] } } }, 'models.pet.writable` names "nosuch"'],
    [{ models: { pet: { searchable: ['nosuch'] } } }, 'models.pet.searchable` names "nosuch"'],
    [{ models: { pet: { write: ['fly'] } } }, 'models.pet.write'],
    [{ models: { pet: false } }, 'models.pet'],
    [{ limits: { pageSize: 0 } }, 'limits.pageSize` must be above 0'],
    [{ limits: { nosuch: 1 } }, '`limits.nosuch`'],
    [{ nosuch: 1 }, '`nosuch`'],
    [{ onlyAllowOrigins: ['example.com'] }, 'must be an origin'],
    [{ collections: undefined }, 'collections` is required'],
  ]
  for (const [options, message] of refused) {
    await expect(serve({ collections, ...options }), message).rejects.toMatchObject({
      code: 'E_OPTIONS',
      message: expect.stringContaining(message),
    })
  }
})
