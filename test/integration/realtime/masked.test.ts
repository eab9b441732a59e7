import { expect, test } from 'vitest'
import type { ModelDefinition } from '../../helpers/waterline.ts'
import { realtimeApp } from './realtime-app.ts'

type Employee = Record<string, unknown> & { card: string; kind: string }

const name = { type: 'string', allowNull: true }
const definitions: Record<string, ModelDefinition> = {
  team: { attributes: { name, members: { collection: 'employee', via: 'team' } } },
  employee: {
    attributes: { name, card: name, kind: name, salary: { type: 'number', allowNull: true }, team: { model: 'team' } },
    customToJSON() {
      const { salary, ...shown } = this as Employee
      const card = shown.card === null ? null : `...${shown.card.slice(-4)}`
      return shown.kind === 'vip' ? { ...shown, card } : { ...shown, card, salary }
    },
  },
}

const MASKED = { id: 1, name: 'ann', card: '...1111', kind: 'vip', team: 1 }

async function company(access: object = {}) {
  const app = await realtimeApp({ models: { team: true, employee: { write: true, ...access } } }, definitions)
  await app.collections.team.create({ name: 'red' })
  await app.collections.employee.create({ name: 'ann', card: '4111111111111111', kind: 'vip', salary: 100, team: 1 })
  return { ...app, roomsOf: (id: string) => [...(app.realtime.io.of('/').adapter.sids.get(id) ?? [])].slice(1) }
}

test('an attribute that customToJSON changes is not searchable, sortable or writable', async () => {
  const { connect, collections } = await company()
  const client = await connect()
  const queries = [
    { where: { card: { startsWith: '4111' } } },
    { card: '4111111111111111' },
    { where: { or: [{ name: 'x' }, { and: [{ card: { '>': '4' } }] }] } },
    { sort: 'card DESC' },
  ]
  for (const query of queries) {
    expect((await client.get('/employee', query)).statusCode, JSON.stringify(query)).toBe(400)
    expect((await client.get('/team/1/members', query)).statusCode, JSON.stringify(query)).toBe(400)
  }
  expect((await client.patch('/employee/1', { card: '1', name: 'anna' })).statusCode).toBe(400)
  expect(await collections.employee.findOne({ id: 1 })).toMatchObject({ card: '4111111111111111', name: 'ann' })
})

test('an attribute marked `protect` is hidden unless the access includes it', async () => {
  const account = { attributes: { email: name, pin: { ...name, protect: true }, hint: { ...name, protect: true } } }
  const { connect, collections } = await realtimeApp(
    { models: { account: { write: true, include: ['hint'] } } },
    { account: account as ModelDefinition },
  )
  await collections.account.create({ email: 'ann', pin: '1234', hint: 'a year' })
  const client = await connect()
  expect((await client.get('/account')).body).toEqual([{ id: 1, email: 'ann', hint: 'a year' }])
  expect((await client.get('/account', { pin: '1234' })).statusCode).toBe(400)
  expect((await client.get('/account', { sort: 'pin' })).statusCode).toBe(400)
  expect((await client.patch('/account/1', { pin: '1' })).statusCode).toBe(400)
  collections.account.publishUpdate(1, { pin: '4321', hint: 'a month' })
  expect((await client.messages.next('account')).data.data).toEqual({ hint: 'a month' })
})

test('a request that sets a hidden attribute is rejected, with the setting that allows it', async () => {
  const account: ModelDefinition = {
    attributes: { email: name, password: name, token: { type: 'string', allowNull: true, encrypt: true }, pin: name },
    customToJSON() {
      const { password, ...shown } = this as { password: string }
      return shown
    },
  }
  const { connect, collections } = await realtimeApp(
    { models: { account: { write: true, omit: ['pin'] } } },
    { account },
  )
  const client = await connect()
  for (const hidden of ['password', 'token', 'pin']) {
    const refusal = await client.post('/account', { email: 'ann', [hidden]: 'secret' })
    expect([refusal.statusCode, refusal.body.message]).toEqual([400, expect.stringContaining(`"${hidden}"`)])
    expect(refusal.body.message).toContain('models.account.writable')
  }
  expect(await collections.account.count()).toBe(0)
  expect((await client.post('/account', { email: 'ann', nosuch: 1, id: 7 })).statusCode).toBe(200)
})

test('an attribute hidden in some records is not searchable after the first such record is found', async () => {
  const { connect, roomsOf, logger } = await company()
  const client = await connect()
  expect((await client.get('/employee', { where: { salary: { '>': 200 } } })).statusCode).toBe(200)
  for (const query of [{ where: { salary: { '>': 50 } } }, { where: { salary: { '>': 200 } } }, { sort: 'salary' }]) {
    expect((await client.get('/employee', query)).statusCode, JSON.stringify(query)).toBe(400)
  }
  expect(roomsOf(client.id).filter(room => /employee:1/.test(room))).toEqual([])
  expect((await client.get('/employee', { where: { name: 'ann' } })).body).toEqual([
    { ...MASKED, team: expect.anything() },
  ])
  expect(logger.lines.filter(line => line.startsWith('warn Clients can no longer search'))).toHaveLength(1)
})

test('the same applies to records found through associations or by other requests', async () => {
  const { connect } = await company()
  const client = await connect()
  expect((await client.get('/team/1/members', { where: { salary: { '>': 50 } } })).statusCode).toBe(400)
  const other = await company()
  const reader = await other.connect()
  await reader.get('/employee/1')
  expect((await reader.get('/employee', { where: { salary: { '>': 200 } } })).statusCode).toBe(400)
})

test('`searchable` and `writable` override it', async () => {
  const { connect, collections } = await company({ searchable: ['card', 'salary'], writable: ['card'] })
  const client = await connect()
  const found = await client.get('/employee', {
    where: { card: { startsWith: '4111' }, salary: 100 },
    populate: 'false',
  })
  expect(found.body).toEqual([MASKED])
  expect((await client.get('/employee', { where: { name: 'ann' } })).statusCode).toBe(400)
  expect((await client.patch('/employee/1', { card: '42', name: 'x' })).statusCode).toBe(200)
  expect(await collections.employee.findOne({ id: 1 })).toMatchObject({ card: '42', name: 'ann' })
})
