import { expect, test } from 'vitest'
import { answerWith, closeServer, listen } from '../../../src/demo/web-server.ts'
import { afterScope } from '../../helpers/scope.ts'
import { ask } from '../../integration/demo/demo-server.ts'

test('while the demo starts, pages and sockets are told to come back, and none is left waiting', async () => {
  const { server, port } = await listen(0)
  afterScope(() => closeServer(server))
  const url = `http://127.0.0.1:${port}`
  expect(await ask({ url }, { path: '/' })).toMatchObject({ status: 503, headers: { refresh: '1' } })
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' }
  expect(await ask({ url }, { path: '/socket.io/', headers: upgrade })).toMatchObject({ status: 503 })
  answerWith(server, (_req, res) => void res.end('ready'))
  expect(await ask({ url }, { path: '/' })).toMatchObject({ status: 200, body: 'ready' })
})
