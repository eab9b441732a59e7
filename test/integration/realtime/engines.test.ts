import { io as today } from 'socket.io-client-4'
import { beforeAll, expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { afterScope } from '../../helpers/scope.ts'
import { socketIoClient2 } from '../../helpers/socket-io-client-2.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { serve } from './realtime-app.ts'

interface Client {
  close(): void
  on(event: string, listener: (data: unknown) => void): void
  emit(event: string, message: object, answer: (response: unknown) => void): void
}
type Connect = (url: string, options: object) => Client

const older: Connect = socketIoClient2

let collections: object
beforeAll(async () => {
  const { connectionString } = await testDatabase()
  const orm = await startWaterline({ connectionString, models: { user: { attributes: {} } } })
  collections = orm.collections
})

test.each([
  ['Engine.IO 3 over websocket', older, ['websocket']],
  ['Engine.IO 3 over polling', older, ['polling']],
  ['Engine.IO 4 over websocket', today as unknown as Connect, ['websocket']],
  ['Engine.IO 4 over polling', today as unknown as Connect, ['polling']],
])('requests and messages by %s', async (_name, connect, transports) => {
  const { realtime, url } = await serve({ collections })
  realtime.route('POST /join', (req, res) => {
    void realtime.sockets.join(req, 'fun')
    res.json({ joined: req.body.room })
  })
  const query = { __sails_io_sdk_version: '1.2.1' }
  const client = connect(url, { transports, query, forceNew: true })
  afterScope(() => client.close())
  const answer = await new Promise(resolve => client.emit('post', { url: '/join', data: { room: 'fun' } }, resolve))
  expect(answer).toMatchObject({ statusCode: 200, body: { joined: 'fun' } })
  const received = new Promise(resolve => client.on('hello', resolve))
  realtime.sockets.broadcast('fun', 'hello', { bytes: Buffer.from([1, 2]) })
  expect(await received).toEqual({ bytes: Buffer.from([1, 2]) })
})
