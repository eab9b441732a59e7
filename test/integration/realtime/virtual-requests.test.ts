import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import session from 'express-session'
import { beforeAll, describe, expect, test } from 'vitest'
import type { RealtimeOptions } from '../../../src/realtime/realtime-options.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventOf } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { socketIoClient2 } from '../../helpers/socket-io-client-2.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { serve } from './realtime-app.ts'

/** These tests read no records, so they share one Waterline. */
let collections: object
beforeAll(async () => {
  const { connectionString } = await testDatabase()
  const orm = await startWaterline({ connectionString, models: { user: { attributes: {} } } })
  collections = orm.collections
})

const routes = (options: Partial<RealtimeOptions> = {}) => serve({ collections, ...options })

describe('a route', () => {
  test('is matched by method and path, and receives the data', async () => {
    const { realtime, connect } = await routes()
    realtime.route('PUT /a/:id/b', (req, res) => {
      const { method, path, url, params, query, body, isSocket } = req
      res.json({
        method,
        path,
        url,
        params,
        query,
        body,
        isSocket,
        id: req.param('id'),
        n: req.param('n'),
        all: req.allParams(),
      })
    })
    const client = await connect()
    const { body, statusCode } = await client.put('/a/x%20y/b?q=1&n=2', { n: 3, deep: { list: [1] } })
    expect(statusCode).toBe(200)
    expect(body).toEqual({
      method: 'PUT',
      path: '/a/x%20y/b',
      url: '/a/x%20y/b?q=1&n=2',
      params: { id: 'x y' },
      query: { q: '1', n: '2' },
      body: { n: 3, deep: { list: [1] } },
      isSocket: true,
      id: 'x y',
      n: 3,
      all: { q: '1', n: 3, deep: { list: [1] }, id: 'x y' },
    })
  })

  test('of a GET receives its data as query', async () => {
    const { realtime, connect } = await routes()
    realtime.route('GET /a', (req, res) => res.json({ url: req.url, query: req.query }))
    const { body } = await (await connect()).get('/a?x=1', { y: [2, 3] })
    expect(body).toEqual({ url: '/a?x=1&y%5B0%5D=2&y%5B1%5D=3', query: { x: '1', y: [2, 3] } })
  })

  test('without a method serves all methods, and the first match is used', async () => {
    const { realtime, connect } = await routes()
    realtime.route('patch /a', (_req, res) => res.send('patched'))
    realtime.route('/a', (req, res) => res.send(req.method))
    const client = await connect()
    const methods = ['get', 'post', 'put', 'patch', 'delete', 'options']
    const answers = await Promise.all(methods.map(method => client.request({ method, url: '/a' })))
    expect(answers.map(({ body }) => body)).toEqual(['GET', 'POST', 'PUT', 'patched', 'DELETE', 'OPTIONS'])
    expect((await client.request({ method: 'head', url: '/a' })).statusCode).toBe(200)
  })

  test('receives the headers of the handshake and the message, and messages cannot forge client addresses', async () => {
    const { realtime, connect, port } = await routes()
    realtime.route('GET /a', (req, res) => res.json({ headers: req.headers, cookies: req.cookies, ip: req.ip }))
    const initialConnectionHeaders = { cookie: 'a=1; b=two', 'x-forwarded-for': '1.1.1.1', 'x-user': 'ann' }
    const client = await connect({ initialConnectionHeaders })
    const headers = {
      'X-CSRF-Token': 'yes',
      'X-Mine': 'no',
      'X-User': 'bob',
      'x-http-method-override': 'DELETE',
      cookie: 'a=2',
      origin: 'http://evil',
      host: 'evil',
      'X-Forwarded-For': '6.6.6.6',
      bad: 'a\nb',
    }
    const { body } = await client.request({ method: 'get', url: '/a', headers })
    expect(body.headers).toEqual({
      'user-agent': expect.any(String),
      'x-csrf-token': 'yes',
      'x-user': 'ann',
      host: `127.0.0.1:${port}`,
      cookie: 'a=1; b=two',
      'x-forwarded-for': '1.1.1.1',
    })
    expect(body.cookies).toEqual({ a: '1', b: 'two' })
    expect(body.ip).toBe('127.0.0.1')
  })

  test('accepts other headers of messages that `clientHeaders` lists, but none that the handshake sets', async () => {
    const { realtime, connect } = await routes({ clientHeaders: ['Authorization', 'x-user'] })
    realtime.route('GET /a', (req, res) => res.json([req.get('authorization'), req.get('x-user')]))
    const client = await connect({ initialConnectionHeaders: { 'x-user': 'ann' } })
    const headers = { authorization: 'Bearer 1', 'x-user': 'bob' }
    expect((await client.request({ method: 'get', url: '/a', headers })).body).toEqual(['Bearer 1', 'ann'])
    const { createServer } = await import('node:http')
    const { createRealtime } = await import('../../../src/realtime/realtime.ts')
    for (const name of ['cookie', 'Host', 'x-forwarded-for', 'x-http-method-override', 'a b']) {
      expect(() => createRealtime({ server: createServer(), collections, clientHeaders: [name] }), name).toThrow(
        'Option `clientHeaders.0` must be a header field that does not identify the client',
      )
    }
  })

  test('joins its socket to a room, and responds as in Sails', async () => {
    const { realtime, connect } = await routes()
    const answers: [string, (res: Parameters<Parameters<typeof realtime.route>[1]>[1]) => void, number, unknown][] = [
      ['ok', res => res.ok(), 200, 'OK'],
      ['okData', res => res.ok({ a: 1 }), 200, { a: 1 }],
      ['json', res => res.status(201).json([1]), 201, [1]],
      ['null', res => res.json(null), 200, null],
      ['send', res => res.send('text'), 200, 'text'],
      ['empty', res => res.send(), 200, undefined],
      ['end', res => void res.writeHead(204).end(), 204, undefined],
      ['badRequest', res => res.badRequest(), 400, 'Bad Request'],
      ['badRequestData', res => res.badRequest({ why: 'x' }), 400, { why: 'x' }],
      ['badRequestError', res => res.badRequest(new Error('inner')), 400, 'Bad Request'],
      ['forbidden', res => res.forbidden('no'), 403, 'no'],
      ['notFound', res => res.notFound(), 404, 'Not Found'],
      ['serverError', res => res.serverError(new Error('secret')), 500, 'Internal Server Error'],
      ['header', res => res.set('x-a', 'b').ok(), 200, 'OK'],
    ]
    for (const [name, answer] of answers) realtime.route(`GET /${name}`, (_req, res) => answer(res))
    const client = await connect()
    for (const [name, , statusCode, body] of answers) {
      expect(await client.get(`/${name}`), name).toMatchObject({ statusCode, body })
    }
    expect((await client.get('/header')).headers).toMatchObject({ 'x-a': 'b' })
  })

  test('that fails, synchronously or later, responds with 500 without details', async () => {
    const { realtime, connect, logger } = await routes()
    realtime.route('GET /throws', () => {
      throw new Error('secret')
    })
    realtime.route('GET /rejects', async () => await Promise.reject(new Error('secret')))
    realtime.route('GET /twice', (_req, res) => {
      res.ok('once')
      res.ok('twice')
    })
    const client = await connect()
    for (const path of ['/throws', '/rejects']) {
      expect(await client.get(path)).toMatchObject({ statusCode: 500, body: 'Internal Server Error' })
    }
    expect(await client.get('/twice')).toMatchObject({ body: 'once' })
    expect(logger.lines).toEqual([
      'error A request failed',
      'error A request failed',
      'warn Ignored a second response to a request',
    ])
  })

  test('that does not exist responds with 404, and an invalid address throws', async () => {
    const { realtime, connect } = await routes()
    expect(await (await connect()).get('/nowhere')).toMatchObject({ statusCode: 404, body: 'Not Found' })
    for (const address of ['GET', 'no path', 'GET a', 'GET /:', '']) {
      expect(() => realtime.route(address, () => {}), address).toThrow(expect.objectContaining({ code: 'E_USAGE' }))
    }
  })

  test('also serves HTTP with JSON and forms, within the limit', async () => {
    const { realtime, url } = await routes({ limits: { payloadBytes: 1000 } })
    realtime.route('POST /a/:id', (req, res) => res.json([req.isSocket, req.params.id, req.query.q, req.body]))
    const post = async (type: string, body: string) => {
      const response = await fetch(`${url}/a/1?q=2`, { method: 'POST', body, headers: { 'content-type': type } })
      return [response.status, await response.json()]
    }
    const form = 'application/x-www-form-urlencoded'
    expect(await post('application/json', '{"n":1}')).toEqual([200, [false, '1', '2', { n: 1 }]])
    expect(await post(form, 'n=1&m[]=2')).toEqual([200, [false, '1', '2', { n: '1', m: ['2'] }]])
    expect(await post('text/plain', 'x')).toEqual([200, [false, '1', '2', {}]])
    expect(await post('application/json', '{')).toEqual([
      400,
      { code: 'E_BAD_REQUEST', message: 'The body is not valid JSON.' },
    ])
    expect(await post('application/json', '{"__proto__":1}')).toMatchObject([400, { code: 'E_BAD_REQUEST' }])
    expect(await post('application/json', `"${'x'.repeat(2000)}"`)).toMatchObject([413, { code: 'E_TOO_LARGE' }])
    expect((await fetch(`${url}/nowhere`)).status).toBe(404)
    expect((await fetch(`${url}/a/%ff`, { method: 'POST' })).status).toBe(404)
  })
})

describe("an app's own handler", () => {
  function expressApp() {
    const app = express()
    app.use(express.json())
    app.use(session({ secret: 'x', resave: false, saveUninitialized: false }))
    app.post('/login', (req, res) => {
      ;(req.session as { user?: string }).user = req.body.user
      res.json({ hello: req.body.user, ip: req.ip, secure: req.secure })
    })
    app.get('/me', (req, res) => void res.json((req.session as { user?: string }).user ?? null))
    app.get('/join', (req, res) => void res.json({ isSocket: 'isSocket' in req, q: req.query.q }))
    app.get('/file', (_req, res) => void res.type('png').send(Buffer.from([1, 2, 3])))
    app.get('/fails', () => {
      throw new Error('secret')
    })
    return app
  }

  test('serves unmodified virtual requests, with cookies and session', async () => {
    const { connect } = await routes({ handler: expressApp() })
    const [ann, bob] = [await connect(), await connect()]
    expect(await ann.post('/login', { user: 'ann' })).toMatchObject({
      statusCode: 200,
      body: { hello: 'ann', ip: '127.0.0.1', secure: false },
      headers: { 'content-type': 'application/json; charset=utf-8' },
    })
    expect((await ann.get('/me')).body).toBe('ann')
    expect((await bob.get('/me')).body).toBeNull()
    expect((await ann.get('/join', { q: 'x y' })).body).toEqual({ isSocket: true, q: 'x y' })
    expect(Buffer.from((await ann.get('/file')).body)).toEqual(Buffer.from([1, 2, 3]))
    expect((await ann.get('/nowhere')).statusCode).toBe(404)
    expect((await ann.get('/fails')).statusCode).toBe(500)
    expect((await ann.post('/login', { user: 'x' })).headers).not.toHaveProperty('set-cookie')
  })

  test('a route precedes it, and realtime can be mounted in it', async () => {
    const app = expressApp()
    const { realtime, connect, url, server } = await routes({ handler: app })
    realtime.route('GET /me', (_req, res) => res.send('ours'))
    expect((await (await connect()).get('/me')).body).toBe('ours')
    expect(await (await fetch(`${url}/me`)).text()).toBe('ours')
    expect(server.listenerCount('request')).toBe(1)
  })

  test('can have realtime mounted in it', async () => {
    const { realtime } = await routes()
    realtime.route('PUT /ours/:id', (req, res) =>
      res.json([req.path, req.params, req.query, req.body, req.ip, req.isSocket]),
    )
    const app = express().use(express.json(), realtime.handler)
    app.get('/theirs', (_req, res) => void res.json('theirs'))
    const server = app.listen(0, '127.0.0.1')
    afterScope(() => server.close())
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const put = { method: 'PUT', body: '{"a":1}', headers: { 'content-type': 'application/json' } }
    expect(await (await fetch(`${url}/ours/1?q=2`, put)).json()).toEqual([
      '/ours/1',
      { id: '1' },
      { q: '2' },
      { a: 1 },
      '127.0.0.1',
      false,
    ])
    expect(await (await fetch(`${url}/theirs`)).json()).toBe('theirs')
    expect((await fetch(`${url}/nowhere`)).status).toBe(404)
    expect((await fetch(`${url}/js/dependencies/sails.io.js`, { method: 'HEAD' })).status).toBe(200)
  })

  test('over HTTP later listeners are called as well', async () => {
    const { server, url } = await routes()
    server.on('request', (_req, res) => res.end('theirs'))
    expect(await (await fetch(`${url}/nowhere`)).text()).toBe('theirs')
  })

  test('over HTTP earlier listeners are still called', async () => {
    const { createServer } = await import('node:http')
    const { createRealtime } = await import('../../../src/realtime/realtime.ts')
    const server = createServer((_req, res) => res.end('theirs'))
    const realtime = createRealtime({ server, collections })
    realtime.route('GET /ours', (_req, res) => res.send('ours'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    const texts = await Promise.all(['/ours', '/theirs'].map(async path => await (await fetch(url + path)).text()))
    await realtime.close()
    expect(texts).toEqual(['ours', 'theirs'])
  })
})

test('sails.io.js and the cookie script of other origins are served at the paths of Sails', async () => {
  const { url } = await routes()
  const script = await fetch(`${url}/js/dependencies/sails.io.js`)
  expect(script.headers.get('content-type')).toMatch('javascript')
  expect(await script.text()).toContain('sails.io.js')
  expect(await (await fetch(`${url}/__getcookie`)).text()).toBe('_sailsIoJSConnect();')
})

test('the session middleware serves routes, and afterDisconnect', async () => {
  const gone: unknown[] = []
  let cookie = ''
  const { realtime, connect } = await routes({
    session: session({ secret: 'x', resave: false, saveUninitialized: false }),
    afterDisconnect: (loaded, socket, done) => {
      gone.push([(loaded as { n?: number }).n, socket.id])
      cookie = socket.handshake.headers.cookie ?? ''
      Object.assign(loaded as object, { n: 10 })
      done()
    },
  })
  realtime.route('POST /count', (req, res) => {
    req.session.n = (req.session.n ?? 0) + 1
    res.json(req.session.n)
  })
  const client = await connect()
  expect([(await client.post('/count')).body, (await client.post('/count')).body]).toEqual([1, 2])
  const { id } = client
  const socket = realtime.io.of('/').sockets.get(id)
  await Promise.all([socket && eventOf(socket, 'disconnect'), client.disconnect()])
  await expect.poll(() => gone).toEqual([[2, id]])
  const again = await connect({ initialConnectionHeaders: { cookie } })
  expect((await again.post('/count')).body).toBe(11)
})

test('a rejection of session middleware after a disconnect is logged', async () => {
  const { connect, logger } = await routes({
    session: () => Promise.reject(new Error('the store is away')),
    afterDisconnect: (_session, _socket, done) => done(),
  })
  await (await connect()).disconnect()
  await expect.poll(() => logger.lines).toEqual(['error afterDisconnect failed'])
})

describe('an invalid request', () => {
  const bad: [string, unknown, number][] = [
    ['nothing', undefined, 400],
    ['text', 'x', 400],
    ['a list', [], 400],
    ['no url', {}, 400],
    ['a url that is none', { url: 7 }, 400],
    ['a url of another host', { url: '//evil/x' }, 400],
    ['a url with broken escapes', { url: '/%ff' }, 400],
    ['a long url', { url: `/${'x'.repeat(9000)}` }, 414],
    ['a key that reaches a prototype', { url: '/a', data: JSON.parse('{"x":{"__proto__":{"a":1}}}') }, 400],
    ['a deep body', { url: '/a', data: JSON.parse(`${'['.repeat(50)}${']'.repeat(50)}`) }, 413],
  ]
  test.each(bad)('%s is rejected', async (_name, message, statusCode) => {
    const { connect } = await routes()
    const client = await connect()
    const emit = (client.socket._raw as unknown as { emit(...args: unknown[]): void }).emit.bind(client.socket._raw)
    const answer = await new Promise(resolve => emit('post', message, resolve))
    expect(answer).toMatchObject({
      statusCode,
      body: { code: expect.stringMatching(/^E_/), message: expect.any(String) },
    })
  })

  test('without an acknowledgement the error is sent as an event', async () => {
    const { connect } = await routes()
    const client = await connect()
    const raw = client.socket._raw as unknown as { emit(...args: unknown[]): void }
    raw.emit('get', { url: 7 })
    raw.emit('get', { url: '/nowhere' }, 'no function')
    expect((await client.messages.next('sails:parseError')).data).toEqual({
      code: 'SAILS:HOOK:SOCKETS:PARSE_VIRTUAL_REQ',
      status: 400,
      details: 'No url provided in request.',
    })
  })

  test('a client without a version is rejected', async () => {
    const { port } = await routes()
    const raw = socketIoClient2(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true })
    const answer = await new Promise<unknown>(resolve => raw.emit('get', { url: '/' }, resolve))
    raw.close()
    expect(answer).toMatchObject({ statusCode: 400, body: { message: expect.stringContaining('sails.io.js 0.11') } })
  })
})

test('requests above the rate or the pending limit are rejected', async () => {
  const { realtime, connect } = await routes({ limits: { requestsPerSecond: 1, burst: 3, pendingRequests: 2 } })
  const waiting: (() => void)[] = []
  realtime.route('GET /slow', (_req, res) => void waiting.push(() => res.ok()))
  const client = await connect()
  const answers = [client.get('/slow'), client.get('/slow'), client.get('/slow'), client.get('/slow')]
  expect(await answers[2]).toMatchObject({
    statusCode: 429,
    body: { message: 'At most 2 requests at once. (limits.pendingRequests)' },
  })
  expect(await answers[3]).toMatchObject({ statusCode: 429, body: { code: 'E_TOO_MANY_REQUESTS' } })
  for (const answer of waiting) answer()
  expect((await answers[0])?.statusCode).toBe(200)
})
