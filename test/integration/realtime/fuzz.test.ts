import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterScope } from '../../helpers/scope.ts'
import { definitions, realtimeApp } from './realtime-app.ts'

const FRAMES = Number(process.env.FUZZ_FRAMES ?? 3_000)

const METHODS = new Set(['get', 'post', 'put', 'patch', 'delete', 'head', 'options'])

/** Frames that a client could send: nearly valid requests, and others. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', 'id', 'name', '\0', '%00', '../..'),
)
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 6 }),
  fc.dictionary(text, fc.jsonValue({ maxDepth: 3 })),
  fc.integer({ min: 1, max: 200 }).map(depth => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)),
)
const operator = fc.oneof(fc.constantFrom('<', '>=', '!=', 'in', 'nin', 'contains', 'like', 'or', 'and'), text)
const attribute = fc.oneof(fc.constantFrom('id', 'name', 'age', 'owner', 'pets', 'password', 'ssn'), text)
const where = fc.dictionary(fc.oneof(attribute, operator), fc.oneof(json, fc.dictionary(operator, json)))
const parameters = fc.oneof(
  json,
  fc.record(
    {
      where: fc.oneof(
        where,
        where.map(each => JSON.stringify(each)),
        json,
      ),
      sort: json,
      limit: json,
      skip: json,
      populate: json,
      select: json,
    },
    { requiredKeys: [] },
  ),
)
const segment = fc.oneof(
  fc.constantFrom('owner', 'pet', 'account', 'pets', 'owner', '1', '2', 'course', 'students'),
  text,
)
const url = fc.oneof(
  fc.array(segment, { maxLength: 4 }).map(segments => `/${segments.join('/')}`),
  fc.tuple(fc.array(segment, { maxLength: 3 }), text).map(([segments, query]) => `/${segments.join('/')}?${query}`),
  text,
  fc.constantFrom(
    '//',
    'http://',
    '/%',
    '/%ff',
    'http://[',
    '/pet?where={',
    '/pet?where[__proto__][x]=1',
    '/pet?a[][][]=1',
  ),
)
const headers = fc.oneof(fc.dictionary(text, fc.oneof(text, fc.integer())), json)
const message = fc.oneof(
  { weight: 8, arbitrary: fc.record({ url, data: parameters, headers, method: text }, { requiredKeys: ['url'] }) },
  { weight: 1, arbitrary: json },
  { weight: 1, arbitrary: fc.uint8Array() },
)
const frame = fc.record({
  event: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...METHODS) },
    { weight: 1, arbitrary: text.filter(isNotReserved) },
  ),
  message,
  more: fc.array(json, { maxLength: 1 }),
})

function isNotReserved(event: string) {
  return ![
    'connect',
    'connect_error',
    'disconnect',
    'disconnecting',
    'newListener',
    'removeListener',
    'error',
    'ping',
    'pong',
  ].includes(event)
}

interface RawSocket {
  once(event: string, listener: () => void): void
  off(event: string, listener: () => void): void
  emit(...args: unknown[]): void
}

test(`${FRAMES} arbitrary frames: no crash, no unhandled rejection, no leaked internals`, {
  timeout: 3_600_000,
}, async () => {
  const loose: unknown[] = []
  const catchLoose = (error: unknown) => void loose.push(error)
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, catchLoose)
    afterScope(() => process.off(event, catchLoose))
  }
  const open = Object.fromEntries(Object.keys(definitions).map(identity => [identity, { write: true }]))
  const limits = { requestsPerSecond: 1e6, burst: 1e6 }
  const { connect, collections, logger } = await realtimeApp({ models: open, limits })
  await collections.owner.createEach([{ name: 'ann' }, { name: 'bob' }])
  await collections.account.create({ email: 'a@x', password: 'p4ssw0rd', ssn: '987-65-4321' })
  let client = await connect()
  /** Undefined if the server closed the connection, as socket.io does for invalid packets. */
  const ask = (event: string, message: unknown) =>
    new Promise<unknown>(resolve => {
      const raw = client.socket._raw as unknown as RawSocket
      const closed = () => resolve(undefined)
      raw.once('disconnect', closed)
      raw.emit(event, message, (answer: unknown) => {
        raw.off('disconnect', closed)
        resolve(answer)
      })
    })

  let peak = 0
  let count = 0
  await fc.assert(
    fc.asyncProperty(frame, async ({ event, message, more }) => {
      const isRequest = METHODS.has(event) && more.length === 0
      const answer = isRequest
        ? await ask(event, message)
        : (client.socket._raw as unknown as RawSocket).emit(event, message, ...more)
      client.messages.clear()
      if (!client.socket.isConnected()) client = await connect()
      else if (isRequest) {
        expect(answer).toMatchObject({ statusCode: expect.any(Number) })
        expect(JSON.stringify(answer)).not.toMatch(
          /p4ssw0rd|987-65|\bat .*\.(ts|js):\d|node_modules|select |insert into/,
        )
      }
      if (++count % 1000 === 0) {
        // A new socket for each thousand, because rooms and listeners belong to the socket.
        await client.disconnect()
        client = await connect()
        globalThis.gc?.()
        if (count === 1000) peak = process.memoryUsage().heapUsed
      }
    }),
    { numRuns: FRAMES, endOnFailure: true },
  )
  expect((await ask('get', { url: '/owner/1', data: { populate: 'false' } })) as object).toMatchObject({
    statusCode: expect.any(Number),
  })
  expect(loose).toEqual([])
  expect({ ...Object.prototype }).toEqual({})
  const failures = logger.lines.filter(line => line.startsWith('error'))
  expect(failures).toEqual([])
  if (globalThis.gc && FRAMES > 2000) expect(process.memoryUsage().heapUsed).toBeLessThan(peak * 1.5 + 30e6)
})
