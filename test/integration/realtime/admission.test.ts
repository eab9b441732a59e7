import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import type { RealtimeOptions } from '../../../src/realtime/realtime-options.ts'
import { testDatabase } from '../../helpers/database.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { serve } from './realtime-app.ts'

let collections: object
beforeAll(async () => {
  const { connectionString } = await testDatabase()
  const orm = await startWaterline({ connectionString, models: { user: { attributes: {} } } })
  collections = orm.collections
})

/** Whether a connection with these headers is accepted by engine.io. */
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

describe('connections', () => {
  test('by default, pages of this server and clients that are not pages may connect', async () => {
    const { asks, own } = await connecting({})
    expect(await asks({})).toBe(true)
    expect(await asks({ origin: `http://${own}` })).toBe(true)
    for (const origin of ['http://evil.example', `http://${own}.evil.example`, 'null', 'nonsense', '']) {
      expect(await asks({ origin }), origin).toBe(false)
    }
  })

  test('onlyAllowOrigins: only pages of these origins may connect', async () => {
    const { asks, own, logger } = await connecting({
      onlyAllowOrigins: ['https://app.example', 'http://127.0.0.1:3000'],
    })
    expect(await asks({ origin: 'https://app.example' })).toBe(true)
    expect(await asks({ origin: 'http://127.0.0.1:3000' })).toBe(true)
    expect(await asks({})).toBe(false)
    expect(await asks({ origin: `http://${own}` })).toBe(false)
    expect(await asks({ origin: 'https://app.example.evil' })).toBe(false)
    expect(logger.lines).toEqual(Array.from({ length: 3 }, () => 'debug Rejected a socket connection'))
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

  test('a passed server keeps its own rules by default', () => {
    const io = new Server(createServer(), { allowEIO3: true, allowRequest: (_req, answer) => answer(null, false) })
    const before = io.engine.opts.allowRequest
    createRealtime({ io, collections })
    expect(io.engine.opts.allowRequest).toBe(before)
    createRealtime({ io, collections, onlyAllowOrigins: [] })
    expect(io.engine.opts.allowRequest).not.toBe(before)
    expect(() => createRealtime({ io: new Server(), collections })).toThrow('not attached to a server')
  })

  test('a passed server that rejects sails.io.js is invalid, unless allowEIO3 is false', () => {
    const io = new Server(createServer())
    const rejection = expect.objectContaining({
      code: 'E_OPTIONS',
      message: expect.stringMatching(/`allowEIO3`.*new Server\(httpServer, \{ allowEIO3: true \}\)/),
    })
    expect(() => createRealtime({ io, collections })).toThrow(rejection)
    expect(createRealtime({ io, collections, allowEIO3: false }).io).toBe(io)
    const attached = new Server().attach(createServer(), { allowEIO3: true })
    expect(createRealtime({ io: attached, collections }).io).toBe(attached)
  })
})

/** Sends a request with any headers. */
function asking(port: number) {
  return (path: string, headers: Record<string, string> = {}, { method = 'GET', body = '' } = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = request({ port, host: '127.0.0.1', path, method, headers })
      outgoing.on('error', reject)
      outgoing.on('response', async response => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode ?? 0, text })
      })
      outgoing.end(body)
    })
}

const POLLING = '/socket.io/?EIO=3&transport=polling&__sails_io_sdk_version=1.2.1'

describe('all requests of a connection', () => {
  const sidIn = (text: string) => /"sid":"([^"]+)"/.exec(text)?.[1]

  test('JSONP is rejected at the handshake and later, also with a passed server and with beforeConnect', async () => {
    const yes: RealtimeOptions['beforeConnect'] = (_handshake, proceed) => proceed(null, true)
    const server = createServer()
    const io = new Server(server, { allowEIO3: true })
    const realtime = createRealtime({ io, collections })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    afterScope(() => realtime.close())
    const ports = [(await serve({ collections })).port, (await serve({ collections, beforeConnect: yes })).port]
    for (const port of [...ports, (server.address() as AddressInfo).port]) {
      const asks = asking(port)
      const refused = await asks(`${POLLING}&j=0`, { cookie: 'sid=victim' })
      expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('JSONP is not supported') })
      const path = `${POLLING}&sid=${sidIn((await asks(POLLING)).text)}`
      expect((await asks(`${path}&j=0`)).status).toBe(403)
      expect((await asks(`${path}&j=0`, {}, { method: 'POST', body: 'd=1:2' })).status).toBe(403)
      expect((await asks(path, {}, { method: 'POST', body: '1:2' })).status).toBe(200)
    }
  })

  test("a page of another origin is rejected by its browser's headers, with or without an Origin", async () => {
    const { port } = await serve({ collections })
    const asks = asking(port)
    for (const site of ['same-site', 'cross-site', 'anything']) {
      expect((await asks(POLLING, { 'sec-fetch-site': site })).status, site).toBe(403)
    }
    for (const site of ['same-origin', 'none']) {
      expect((await asks(POLLING, { 'sec-fetch-site': site })).status, site).toBe(200)
    }
    const path = `${POLLING}&sid=${sidIn((await asks(POLLING)).text)}`
    for (const headers of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      expect((await asks(path, headers, { method: 'POST', body: '1:2' })).status).toBe(403)
    }
    expect((await asks(path, { origin: `http://127.0.0.1:${port}` }, { method: 'POST', body: '1:2' })).status).toBe(200)
  })
})

describe('requests to routes over HTTP', () => {
  test('are accepted from pages of this server, from allowed pages, and from clients that are not pages', async () => {
    const { realtime, port } = await serve({ collections, onlyAllowOrigins: ['https://app.example'] })
    let calls = 0
    realtime.route('/act', (_req, res) => res.json(++calls))
    const asks = asking(port)
    const foreign = [
      { origin: 'https://evil.example', host: `127.0.0.1:${port}` },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'null' },
    ]
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const headers of foreign) {
        const answer = await asks('/act', headers as Record<string, string>, { method })
        expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('onlyAllowOrigins') })
      }
    }
    expect(calls).toBe(0)
    const allowed = [
      {},
      { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'none' },
    ]
    for (const headers of allowed) {
      expect((await asks('/act', headers as Record<string, string>, { method: 'POST' })).status).toBe(200)
    }
  })

  test('other origins get a cookie only if they may connect', async () => {
    const others = { 'sec-fetch-site': 'cross-site' }
    expect((await asking((await serve({ collections })).port)('/__getcookie', others)).status).toBe(403)
    const { port } = await serve({ collections, onlyAllowOrigins: ['https://app.example'] })
    expect((await asking(port)('/__getcookie', others)).status).toBe(200)
  })
})

describe('a server on a loopback address', () => {
  test('accepts only its own host names, against DNS rebinding', async () => {
    const { realtime, port, logger } = await serve({ collections })
    realtime.route('GET /read', (_req, res) => res.send('read'))
    const asks = asking(port)
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '128.0.0.1']) {
      for (const path of ['/read', POLLING]) {
        expect(await asks(path, { host }), host).toMatchObject({
          status: 421,
          text: expect.stringContaining('add it to `allowedHosts` or its origin to `onlyAllowOrigins`'),
        })
      }
    }
    for (const host of ['localhost', 'LOCALHOST:1', 'app.localhost:8080', '127.0.0.1', '127.9.9.9:80', '[::1]:1337']) {
      expect((await asks('/read', { host })).status, host).toBe(200)
      expect((await asks(POLLING, { host })).status, host).toBe(200)
    }
    expect(logger.lines.filter(line => line.startsWith('warn Rejected an unknown Host'))).toHaveLength(1)
  })

  test('accepts the public names behind a reverse proxy that the options list', async () => {
    const onlyAllowOrigins = ['https://app.example']
    const { realtime, port } = await serve({ collections, onlyAllowOrigins, allowedHosts: ['api.example'] })
    realtime.route('GET /read', (_req, res) => res.send('read'))
    const statuses = ['app.example', 'api.example:443', 'other.example'].map(async host => {
      return (await asking(port)('/read', { host })).status
    })
    expect(await Promise.all(statuses)).toEqual([200, 200, 421])
    expect(() => createRealtime({ server: createServer(), collections, allowedHosts: ['https://a.example'] })).toThrow(
      'Option `allowedHosts.0` must be a host name without a port',
    )
  })

  test('a server on a public address accepts any host name', async () => {
    const server = createServer()
    const realtime = createRealtime({ server, collections })
    realtime.route('GET /read', (_req, res) => res.send('read'))
    await new Promise<void>(resolve => server.listen(0, '0.0.0.0', resolve))
    afterScope(() => realtime.close())
    const { port } = server.address() as AddressInfo
    expect((await asking(port)('/read', { host: 'app.example' })).status).toBe(200)
  })
})
