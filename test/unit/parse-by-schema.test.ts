import { expect, test } from 'vitest'
import { z } from 'zod'
import { parseBySchema } from '../../src/parse-by-schema.ts'

const schema = z.strictObject({
  port: z.int('must be a whole number').default(80),
  limits: z.strictObject({ count: z.int('must be a whole number') }).optional(),
})

test('gives the values with their defaults', () => {
  expect(parseBySchema(schema, { limits: { count: 1 } })).toEqual({ port: 80, limits: { count: 1 } })
})

test.each([
  [undefined, 'Pass an object with options.'],
  [{ port: 'a' }, 'Option `port` must be a whole number.'],
  [{ prot: 1, hots: 2 }, 'There is no option `prot`, `hots`.'],
  [
    { port: 'a', limits: { count: 'b', cuont: 1 } },
    'Option `port` must be a whole number. Option `limits.count` must be a whole number. There is no option `limits.cuont`.',
  ],
])('names all of %j that does not fit', (value, message) => {
  expect(() => parseBySchema(schema, value)).toThrow(expect.objectContaining({ code: 'E_OPTIONS', message }))
})

test('the code and the sentences may be others', () => {
  const describe = ({ path, message }: z.core.$ZodIssue) => `${path}: ${message}.`
  const parse = () => parseBySchema(schema, { port: 'a' }, { code: 'E_USAGE', describe })
  expect(parse).toThrow(expect.objectContaining({ code: 'E_USAGE', message: 'port: must be a whole number.' }))
})
