import { once } from 'node:events'
import { io as connect } from 'socket.io-client-4'
import { beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../src/realtime/requests/limits.ts'
import { checkData } from '../../../src/realtime/requests/request-data.ts'
import { afterScope } from '../../helpers/scope.ts'
import { definitions, realtimeApp, serve } from './realtime-app.ts'

let collections: object
beforeAll(async () => {
  const app = await realtimeApp({}, definitions)
  await app.collections.owner.create({ name: 'ann' })
  collections = app.collections
})

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)
const keys = (count: number) => Object.fromEntries(numbers(count).map(index => [`k${index}`, index]))
const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`)

/** An app whose handler counts its requests, and whose routes are open. */
async function app(limits: Partial<Limits> = {}) {
  let handled = 0
  const handler = (_req: unknown, res: { end(text: string): void }) => {
    handled++
    res.end('handled')
  }
  const models = { owner: { write: true }, pet: { write: true } }
  const served = await serve({ collections, handler, models, limits: { ...limits } })
  return { ...served, handled: () => handled }
}

describe("a request above a limit is rejected with the limit's name, before it is processed", () => {
  const cases: [string, string, string, object, keyof Limits][] = [
    ['a list of numbers', 'get', '/owner', { a: numbers(140_000) }, 'values'],
    ['a list for the handler', 'post', '/nowhere', { a: numbers(140_000) }, 'values'],
    ['a list in place of the body', 'put', '/owner/1/pets', numbers(100_000), 'values'],
    ['many keys', 'get', '/nowhere', keys(60_000), 'values'],
    ['many keys of a record', 'post', '/owner', keys(60_000), 'values'],
    ['many small objects', 'post', '/owner', { a: numbers(40_000).map(() => ({})) }, 'values'],
    ['`where` as an object', 'get', '/owner', { where: { id: numbers(100_000) } }, 'values'],
    [
      '`where` as text',
      'get',
      '/owner',
      { where: JSON.stringify({ or: numbers(4_000).map(id => ({ id })) }) },
      'values',
    ],
    ['many conditions', 'get', '/owner', { where: { or: numbers(900).map(id => ({ id })) } }, 'conditions'],
    ['a long list of values', 'get', '/owner', { where: { id: numbers(1_001) } }, 'listLength'],
    ['`populate`', 'get', '/owner', { populate: 'pets,'.repeat(10_000) }, 'listLength'],
    ['`select`', 'get', '/owner', { select: 'a,'.repeat(10_000) }, 'listLength'],
    ['`omit`', 'get', '/owner', { omit: 'a,'.repeat(10_000) }, 'listLength'],
    ['a long text', 'get', '/owner', { name: 'x'.repeat(900_000) }, 'queryLength'],
    ['a long pattern', 'get', '/owner', { where: { name: { like: '%x'.repeat(600) } } }, 'patternLength'],
    ['depth', 'post', '/owner', nested(30), 'depth'],
    ['a large page', 'get', '/owner', { limit: 100_000 }, 'pageSize'],
  ]
  test.each(cases)('%s', async (_name, method, url, data, limit) => {
    const { connect, handled } = await app()
    const client = await connect()
    const answer = await client.request({ method, url, data })
    expect(answer.statusCode).toBe(413)
    expect(answer.body.message).toContain(`(limits.${limit})`)
    expect(handled()).toBe(0)
  })

  test('`sort` and `skip`', async () => {
    const { connect } = await app()
    const client = await connect()
    expect((await client.get('/owner', { sort: numbers(1_000).map(() => 'name ASC') })).statusCode).toBe(413)
    expect((await client.get('/owner', { skip: 2 ** 40 })).statusCode).toBe(400)
  })

  test('HTTP bodies, parsed by us or by the app', async () => {
    const { url, realtime } = await app()
    const post = async (address: string, type: string, body: string) => {
      const response = await fetch(address, { method: 'POST', headers: { 'content-type': type }, body })
      return [response.status, await response.text()]
    }
    const many = [413, expect.stringContaining('(limits.values)')]
    expect(await post(`${url}/owner`, 'application/json', JSON.stringify({ a: numbers(100_000) }))).toEqual(many)
    const form = numbers(50_000).map(index => `k${index}=1`)
    expect(await post(`${url}/owner`, 'application/x-www-form-urlencoded', form.join('&'))).toEqual([
      413,
      expect.stringContaining('1000 parameters'),
    ])
    const express = (await import('express')).default
    const server = express()
      .use(express.json({ limit: '2mb' }), realtime.handler)
      .listen(0, '127.0.0.1')
    afterScope(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const body = JSON.stringify({ a: numbers(100_000) })
    expect(await post(`http://127.0.0.1:${port}/owner`, 'application/json', body)).toEqual(many)
  })

  test('rejected data is not traversed completely', () => {
    let touched = 0
    const counting = Array.from({ length: 20_000 }, () => ({
      get a() {
        touched++
        return 1
      },
    }))
    expect(() => checkData(counting, DEFAULT_LIMITS)).toThrow('limits.values')
    expect(touched).toBe(0)
    const wide = Array.from({ length: 100 }, () => counting.slice(0, 1000))
    expect(() => checkData(wide, DEFAULT_LIMITS)).toThrow('limits.values')
    expect(touched).toBe(0)
  })
})

test('requests within the limits are served, and a request with many values counts as several', async () => {
  const { connect } = await app({ burst: 20, requestsPerSecond: 1 })
  const client = await connect()
  expect((await client.get('/owner', { where: { id: numbers(1_000) } })).body).toMatchObject([{ name: 'ann' }])
  const statuses = []
  for (let sent = 0; sent < 3; sent++) statuses.push((await client.post('/nowhere', numbers(4_900))).statusCode)
  expect(statuses).toEqual([200, 429, 429])
  expect((await client.get('/owner')).statusCode).toBe(200)
})

describe('a connection that exceeds the limits is closed before its packets are parsed', () => {
  const floods: [string, Partial<Limits>, () => Iterable<string>][] = [
    ['many packets', { packetsPerSecond: 20 }, () => numbers(200).map(() => '2["get",{}]')],
    [
      'many bytes',
      { payloadBytes: 10_000, bytesPerSecond: 1 },
      () => numbers(20).map(() => `2["get","${'x'.repeat(9_000)}"]`),
    ],
    ['many values, again and again', {}, () => Array(30).fill(`2["get",${JSON.stringify(keys(60_000))}]`)],
    ['all brackets', {}, () => [`2["get",${'['.repeat(20_000)}${']'.repeat(20_000)}]`]],
  ]
  test.each(floods)('%s', async (_name, limits, packets) => {
    const { url, logger, realtime } = await app(limits)
    const client = connect(url, { transports: ['websocket'], forceNew: true, reconnection: false })
    afterScope(() => client.close())
    await new Promise<void>(resolve => client.on('connect', resolve))
    const closed = new Promise<string>(resolve => client.on('disconnect', resolve))
    let parsed = 0
    realtime.io
      .of('/')
      .sockets.get(client.id ?? '')
      ?.onAny(() => parsed++)
    const { engine } = client.io as unknown as { engine: { write(text: string): void } }
    for (const packet of packets()) engine.write(packet)
    expect(await closed).toMatch(/transport (close|error)/)
    expect(parsed).toBeLessThan(50)
    expect(logger.lines.filter(line => line.startsWith('warn Closed a connection'))).toHaveLength(1)
  })

  test('brackets in strings do not count as nesting', async () => {
    const { connect: connectSails, realtime } = await app()
    realtime.route('POST /echo', (req, res) => res.json(req.body.text.length))
    const client = await connectSails()
    expect((await client.post('/echo', { text: `\\"${'['.repeat(50_000)}` })).body).toBe(50_002)
  })
})
