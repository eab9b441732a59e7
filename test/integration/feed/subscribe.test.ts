import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { connect } from 'socket.io-client-4'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop } from './fixture.ts'

/** A feed with the app's own socket.io server and a connected plain socket.io client of version 4. */
async function openServer() {
  const shop = await openInstalledShop()
  const http = createServer()
  const io = new Server(http)
  afterScope(() => io.close())
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const { connectionString } = shop.database
  const feed = createChangefeed({ connectionString, collections: shop.collections, io })
  afterScope(() => feed.stop())
  await feed.start()
  const client = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, { transports: ['websocket'] })
  afterScope(() => client.disconnect())
  const heard: string[] = []
  for (const event of ['user', 'pet']) {
    client.on(event, ({ verb, id }: { verb: string; id: number }) => heard.push(`${event} ${verb} ${id}`))
  }
  const socket = await eventually(() => {
    const [first] = io.sockets.sockets.values()
    expect(first).toBeDefined()
    return first as NonNullable<typeof first>
  })
  /** The messages that the client receives for a write. */
  const hears = async (sql: string, messages: string[]) => {
    heard.length = 0
    await shop.database.query(sql)
    await feed.settled()
    await new Promise<void>(resolve => client.once('end', resolve) && socket.emit('end'))
    expect(heard).toEqual(messages)
  }
  return { feed, socket, hears }
}

test('a plain client receives new records, their later events, and events of its subscribed records', async () => {
  const { feed, socket, hears } = await openServer()
  await hears(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`, [])
  await feed.subscribe(socket, 'pet')
  await hears(`insert into pet (id, name) values (3, 'tom')`, ['pet created 3'])
  await hears(`update pet set name = name || '!'`, ['pet updated 3'])
  await feed.subscribe(socket, 'Pet', [1, '2'])
  await hears('update pet set name = lower(name) || id', ['pet updated 1', 'pet updated 2', 'pet updated 3'])
  await feed.unsubscribe(socket, 'pet', 2)
  await feed.unsubscribe(socket, 'pet')
  await hears(`insert into pet (id, name) values (4, 'new')`, [])
  await hears('delete from pet', ['pet destroyed 1', 'pet destroyed 3'])
})

test.each([
  ['an unknown model', ['dog'], /Model `dog` is not part of the feed. Use one of: user, pet\./],
  ['an id that is none', ['pet', [null]], /id of `pet`.*not null/],
  ['a record in place of its id', ['pet', { id: 1 }], /id of `pet`.*not object/],
  ['an id that is undefined', ['pet', undefined], /id of `pet`.*not undefined/],
  ['an empty id', ['pet', ''], /id of `pet`.*not ""/],
])('the error for %s names it', async (_name, args, message) => {
  const { feed, socket } = await openServer()
  const [identity, ids] = args as [string, never]
  await expect(feed.subscribe(socket, identity, ids)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringMatching(message),
  })
})
