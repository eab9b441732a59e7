import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { io as connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import type { ChangeEvent } from '../../../src/pipeline/events.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openMigratedShop, summary } from './fixture.ts'

test('a change is published after its handlers have run one at a time and in order', async () => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  const feed = newFeed()
  const seen: string[] = []
  const remove = feed.onChange(async ({ record, origin }) => {
    seen.push(`begins ${record?.name} ${origin} ${published.length}`)
    await database.query('select pg_sleep(0.05)')
    seen.push(`ends ${record?.name}`)
  })
  await feed.install()
  await feed.start()
  await database.query(
    `set changefeed.origin = 'cron'; insert into pet (id, name) values (1, 'rex'), (2, 'max'); reset changefeed.origin`,
  )
  await feed.settled()
  remove()
  await database.query(`delete from pet`)
  await feed.settled()
  expect(seen).toEqual(['begins rex cron 0', 'ends rex', 'begins max cron 1', 'ends max'])
})

test('errors of listeners and handlers, sync or async, are reported and lose no change', async () => {
  const { database, feed: newFeed, published } = await openInstalledShop()
  const feed = newFeed()
  const errors: string[] = []
  const events: ChangeEvent[] = []
  feed.on('error', error => errors.push(error.message))
  feed.on('change', async () => await Promise.reject(new Error('listener')))
  feed.onChange(() => Promise.reject(new Error('handler')))
  feed.onChange(event => events.push(event))
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex'); update pet set name = 'max'`)
  await feed.settled()
  expect(errors.toSorted()).toEqual(['handler', 'handler', 'listener', 'listener'])
  expect(events[1]).toMatchObject({ record: { name: 'max' }, previous: { name: 'rex' }, changed: ['name'] })
  expect(summary(published)).toEqual(['created pet 1', 'updated pet 1'])
})

test('rooms of the app receive the public messages of a record, each socket once', async () => {
  const http = createServer()
  const io = new Server(http)
  io.on('connection', socket => void socket.join(['pets of 1', 'sails_model_create_pet']))
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(async () => await io.close())
  const client = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  afterScope(() => void client.disconnect())
  await new Promise<void>(resolve => client.once('connect', resolve))
  const shop = await openMigratedShop()
  const rooms = ({ owner }: Record<string, unknown>) => (owner === 2 ? [] : `pets of ${owner}`)
  const feed = shop.feed({ publisher: undefined as never, io, models: { pet: { omit: ['name'], rooms } } })
  const heard: { verb: string; id: number }[] = []
  client.on('pet', message => heard.push(message))
  await feed.install()
  await feed.start()
  const last = new Promise(resolve => client.on('pet', ({ id }) => id === 9 && resolve(id)))
  await shop.database.query(`insert into "user" (id, name) values (1, 'ada'), (2, 'bob')`)
  await shop.database.query(`insert into pet (id, name, owner) values (1, 'rex', 1)`)
  await shop.database.query(`update pet set owner = 1; delete from pet; insert into pet (id, owner) values (9, 1)`)
  await last
  expect(heard.map(({ verb, id }) => `${verb} ${id}`)).toEqual(['created 1', 'updated 1', 'destroyed 1', 'created 9'])
  expect(JSON.stringify(heard)).not.toContain('rex')
})

test.each([
  [
    'threw: no board',
    () => {
      throw new Error('no board')
    },
  ],
  ['must return the name of a room', () => undefined as never],
])('the error for a failing rooms function names it: it %s', async (problem, rooms) => {
  const { database, feed: newFeed, published } = await openMigratedShop()
  const feed = newFeed({ models: { pet: { rooms } } })
  await feed.install()
  await feed.start()
  await database.query(`insert into pet (id, name) values (1, 'rex')`)
  await feed.settled()
  expect(summary(published)).toEqual(['refetch pet', 'refetch user'])
  expect(feed.status().failures[0]?.reason).toContain(`Option \`models.pet.rooms\` ${problem}`)
})
