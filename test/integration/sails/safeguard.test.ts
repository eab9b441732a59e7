import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { ActionRequests } from '../../../src/sails/attribution/action-requests.ts'
import { tagStatements } from '../../../src/sails/attribution/statement-tags.ts'
import type { ActionRequest, SailsApp } from '../../../src/sails/hook/sails-app.ts'
import { type LiftedApp, liftApp, summary } from './fixture.ts'

function fail(): never {
  throw new Error('injected error')
}

/** Errors are injected where operations of the app pass through the hook. */
test.each<[string, 'keep' | 'replace', (app: LiftedApp) => void]>([
  ['while sockets change rooms', 'keep', app => Object.defineProperty(app.io, 'local', { get: fail })],
  ['while subscribing to a new member', 'replace', app => Object.assign(app.models.pet, { subscribe: fail })],
])('an error in the hook %s (%s) does not fail requests', async (_name, blueprints, inject) => {
  const { app, connect } = await liftApp({ changefeed: { blueprints } })
  const client = await connect()
  await client.post('/owner', { name: 'ann' })
  await client.post('/pet', { name: 'rex' })
  inject(app)
  expect(await client.post('/owner', { name: 'bob' })).toMatchObject({ statusCode: 200, body: { id: 2 } })
  expect(await client.put('/owner/1/pets/1')).toMatchObject({ statusCode: 200 })
  expect(await client.patch('/pet/1/rename', { name: 'ben' })).toMatchObject({ statusCode: 200 })
  expect(await client.delete('/owner/1')).toMatchObject({ statusCode: 200 })
})

test('a message of the app that cannot be compared is still sent', async () => {
  const { app, connect, settled } = await liftApp()
  const client = await connect()
  await client.get('/pet')
  const odd = { verb: 'created', id: { toString: fail, toJSON: () => 7 } }
  app.sockets.broadcast('sails_model_create_pet', 'pet', odd)
  await settled(client)
  expect(summary(client)).toEqual(['pet created 7'])
})

test('an error while tagging statements or announcing messages neither fails a query nor ends the process', async () => {
  const logged: unknown[] = []
  const sails = {
    config: {},
    log: { error: (message: unknown) => logged.push(message) },
    getActions: () => ({}),
    after: (_events: string, bind: () => void) => bind(),
  } as unknown as SailsApp
  const requests = new ActionRequests(sails)
  requests.onPublished = fail
  const sent: unknown[] = []
  const pool = { connect: async () => ({ query: (text: string) => sent.push(text) }) }
  tagStatements(pool, requests.originNow)
  const response = new EventEmitter() as ServerResponse
  const client = await pool.connect()
  const next = () => {
    client.query('delete from pet')
    Object.defineProperty(requests, 'current', { get: fail })
    client.query('delete from owner')
  }
  requests.enter({ options: {} } as unknown as ActionRequest, response, next)
  response.emit('finish')
  expect(sent).toEqual([expect.stringMatching(/origin=.* delete from pet$/), 'delete from owner'])
  expect(logged).toEqual([
    expect.stringContaining('tagging statements failed'),
    expect.stringContaining('announcing messages failed'),
  ])
})

test('a request that cannot be tracked still reaches its action', () => {
  const logged: unknown[] = []
  const log = { error: (message: unknown) => logged.push(message) }
  const requests = new ActionRequests({ config: {}, log, getActions: fail, after() {} } as unknown as SailsApp)
  const entered: string[] = []
  const enter = (name: string) =>
    requests.enter({} as ActionRequest, new EventEmitter() as ServerResponse, () => entered.push(name))
  enter('first')
  enter('second')
  expect(entered).toEqual(['first', 'second'])
  expect(logged).toEqual([expect.stringContaining('tracking a request failed')])
})
