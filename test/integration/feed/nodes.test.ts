import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { classRoom } from '../../../src/publish/socketio/rooms.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, openMigratedShop, type Published, summary } from './fixture.ts'

const recorder = () => {
  const published: Published[] = []
  return {
    published,
    publisher: { publish: (...[event, meta]: [never, never]) => void published.push({ event, meta }) },
  }
}

test('one of two nodes leads and publishes, and the other resumes where it stopped', async () => {
  const shop = await openInstalledShop()
  const [one, two] = [recorder(), recorder()]
  const first = shop.feed({ publisher: one.publisher })
  const second = shop.feed({ publisher: two.publisher })
  await first.start()
  await second.start()
  expect([first.status().role, second.status().role]).toEqual(['leader', 'standby'])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await second.settled() // works on a standby too
  expect([summary(one.published), summary(two.published)]).toEqual([['created pet 1'], []])
  const takeover = eventOf(second, 'leader')
  await first.stop()
  await shop.database.query(`insert into pet (id, name) values (2, 'max')`)
  await takeover
  await second.settled()
  expect([summary(one.published), summary(two.published)]).toEqual([['created pet 1'], ['created pet 2']])
})

test('a leader that resigns is succeeded at once', async () => {
  const shop = await openInstalledShop()
  const [first, second] = [shop.feed(), shop.feed()]
  await first.start()
  await second.start()
  // The leader notifies other nodes only if it knows of them.
  await eventually(async () => {
    expect(await shop.database.query('select from changefeed.node')).toHaveLength(2)
  })
  const takeover = eventOf(second, 'leader', { withinMs: 2_000 })
  await first.stop()
  await takeover
})

async function startServer() {
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, transports: ['websocket'] })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  return { io, port: (http.address() as AddressInfo).port }
}

test('with in-memory adapters every node publishes to its own sockets, each change once', async () => {
  const shop = await openMigratedShop()
  const servers = await Promise.all([startServer(), startServer()])
  const feeds = servers.map(({ io }) => shop.feed({ publisher: undefined, io } as never))
  await feeds[0]?.install()
  for (const feed of feeds) await feed.start()
  expect(feeds.map(feed => feed.status().role)).toEqual(['leader', 'follower'])
  const clients = await Promise.all(
    servers.map(async ({ io, port }) => {
      const client = await connectSailsClient({ port })
      await io.sockets.sockets.get(client.id)?.join(classRoom('pet'))
      return client
    }),
  )
  for (let id = 1; id <= 20; id++) {
    await shop.database.query(
      `insert into pet (id, name) values (${id}, 'a'); update pet set name = 'b' where id = ${id}`,
    )
  }
  for (const feed of feeds) await feed.settled()
  const heard = await Promise.all(clients.map(({ messages }) => messages.count('pet', 40)))
  const expected = Array.from({ length: 20 }, (_, i) => [`created ${i + 1}`, `updated ${i + 1}`]).flat()
  for (const messages of heard) expect(messages.map(({ data }) => `${data.verb} ${data.id}`)).toEqual(expected)
  expect(heard[0]?.map(({ meta }) => meta.cursor)).toEqual(heard[1]?.map(({ meta }) => meta.cursor))
})
