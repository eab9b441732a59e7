import { request } from 'node:http'
import { beforeAll, describe, expect, test } from 'vitest'
import type { RealtimeOptions } from '../../src/realtime/realtime-options.ts'
import { testDatabase } from '../helpers/database.ts'
import { startWaterline } from '../helpers/waterline.ts'
import { serve } from './realtime-app.ts'

let collections: object
beforeAll(async () => {
  const { connectionString } = await testDatabase()
  const orm = await startWaterline({ connectionString, models: { user: { attributes: {} } } })
  collections = orm.collections
})

/** Whether a connection with these headers is let in, at the level where browsers are held to it. */
async function connecting(options: Partial<RealtimeOptions>) {
  const { port, ...app } = await serve({ collections, ...options })
  const asks = (headers: Record<string, string>) =>
    new Promise<boolean>((resolve, reject) => {
      const upgrade = {
        connection: 'upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': `${'a'.repeat(22)}==`,
      }
      const outgoing = request({
        port,
        host: '127.0.0.1',
        path: '/socket.io/?EIO=3&transport=websocket',
        headers: { ...upgrade, ...headers },
      })
      outgoing.on('upgrade', (_response, socket) => {
        socket.destroy()
        resolve(true)
      })
      outgoing.on('response', response => resolve(response.statusCode === 101))
      outgoing.on('error', reject)
      outgoing.end()
    })
  return { ...app, asks, own: `127.0.0.1:${port}` }
}

describe('who may connect', () => {
  test('without a word about it: pages of this server, and what is no page', async () => {
    const { asks, own } = await connecting({})
    expect(await asks({})).toBe(true)
    expect(await asks({ origin: `http://${own}` })).toBe(true)
    for (const origin of ['http://evil.example', `http://${own}.evil.example`, 'null', 'nonsense', '']) {
      expect(await asks({ origin }), origin).toBe(false)
    }
  })

  test('onlyAllowOrigins: these pages and nothing else', async () => {
    const { asks, own, logger } = await connecting({
      onlyAllowOrigins: ['https://app.example', 'http://127.0.0.1:3000'],
    })
    expect(await asks({ origin: 'https://app.example' })).toBe(true)
    expect(await asks({ origin: 'http://127.0.0.1:3000' })).toBe(true)
    expect(await asks({})).toBe(false)
    expect(await asks({ origin: `http://${own}` })).toBe(false)
    expect(await asks({ origin: 'https://app.example.evil' })).toBe(false)
    expect(logger.lines).toEqual(Array.from({ length: 3 }, () => 'debug A socket was not let in'))
  })

  const verdicts: [string, NonNullable<RealtimeOptions['beforeConnect']>, boolean][] = [
    ['yes', (_handshake, proceed) => proceed(null, true), true],
    ['no', (_handshake, proceed) => proceed(null, false), false],
    ['no word', (_handshake, proceed) => proceed(null), false],
    ['an error', (_handshake, proceed) => proceed(new Error('x'), true), false],
    ['yes, later', async (_handshake, proceed) => proceed(await Promise.resolve(null), true), true],
    [
      'a throw',
      () => {
        throw new Error('x')
      },
      false,
    ],
    ['a rejection', async () => await Promise.reject(new Error('x')), false],
    ['two words', (_handshake, proceed) => [proceed(null, false), proceed(null, true)], false],
  ]
  test.each(verdicts)('beforeConnect decides alone: %s', async (_name, beforeConnect, isLetIn) => {
    const { asks } = await connecting({ beforeConnect, onlyAllowOrigins: ['https://app.example'] })
    expect(await asks({ origin: 'http://evil.example' })).toBe(isLetIn)
  })

  test('beforeConnect sees the handshake', async () => {
    const seen: unknown[] = []
    const { asks } = await connecting({
      beforeConnect: ({ headers, url }, proceed) => {
        seen.push(headers.cookie, url?.startsWith('/socket.io/?EIO=3'))
        proceed(null, true)
      },
    })
    await asks({ cookie: 'a=1' })
    expect(seen).toEqual(['a=1', true])
  })

  test("a given server's own rules stay where nothing is said", async () => {
    const { createServer } = await import('node:http')
    const { Server } = await import('socket.io')
    const { createRealtime } = await import('../../src/realtime/realtime.ts')
    const io = new Server(createServer(), { allowRequest: (_req, answer) => answer(null, false) })
    const before = io.engine.opts.allowRequest
    createRealtime({ io, collections })
    expect(io.engine.opts.allowRequest).toBe(before)
    createRealtime({ io, collections, onlyAllowOrigins: [] })
    expect(io.engine.opts.allowRequest).not.toBe(before)
    expect(() => createRealtime({ io: new Server(), collections, onlyAllowOrigins: [] })).toThrow(
      'not attached to a server',
    )
  })
})
