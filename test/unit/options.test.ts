import { expect, test } from 'vitest'
import { ChangefeedError } from '../../src/errors.ts'
import { type ChangefeedOptions, parseOptions } from '../../src/options.ts'

const parse = (catchUp: unknown) =>
  parseOptions({ connectionString: 'postgres://a@b/c', collections: {}, catchUp } as ChangefeedOptions).catchUp

test('catching up has defaults, as a whole and for each setting', () => {
  const defaults = {
    memoryBytes: 33_554_432,
    maxMessages: 10_000,
    maxBytes: 16_777_216,
    concurrentClients: 1_000,
    concurrentReads: 2,
  }
  expect(parse(undefined)).toEqual(defaults)
  expect(parse({})).toEqual(defaults)
  expect(parse({ maxMessages: 5 })).toEqual({ ...defaults, maxMessages: 5 })
  expect(parse(false)).toBe(false)
})

test.each([
  [true, 'Option `catchUp` must be false, or an object such as { maxMessages: 10_000 }.'],
  [null, 'Option `catchUp` must be false, or an object such as { maxMessages: 10_000 }.'],
  [
    { maxMessages: 0, memoryBytes: '32 MB' },
    'Option `catchUp.memoryBytes` must be a whole number of bytes. ' +
      'Option `catchUp.maxMessages` must be above 0. `catchUp: false` turns catching up off.',
  ],
  [{ policy: true }, 'Option `catchUp.policy` must be a function such as socket => socket.data.isUser.'],
  [
    { maxMessage: 1 },
    'There is no option `catchUp.maxMessage`. ' +
      'Known options: memoryBytes, maxMessages, maxBytes, concurrentClients, concurrentReads, policy.',
  ],
])('catchUp: %j is refused, with the setting and its remedy', (catchUp, message) => {
  expect(() => parse(catchUp)).toThrow(new ChangefeedError('E_OPTIONS', message))
})

test('a list of no models is refused', () => {
  const options = { connectionString: 'postgres://a@b/c', collections: {} }
  const message = 'Option `models` must name a model. Without it all models are captured.'
  expect(() => parseOptions({ ...options, models: [] })).toThrow(new ChangefeedError('E_OPTIONS', message))
  expect(parseOptions({ ...options, models: {} }).models.only).toBe(null)
})
