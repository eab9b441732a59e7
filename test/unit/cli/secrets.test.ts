import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createLog } from '../../../src/cli/log.ts'
import { hider } from '../../../src/cli/secrets.ts'

test.each([
  ['postgres://me:s3cret@db.example:5432/app?sslmode=require'],
  ['redis://:s3cret@redis.example'],
  ['rediss://me:s3cret@redis.example/0'],
  ['postgres://me:s3cret%2Fwith%40signs@db.example/app'],
])('a URL shows only its host and path: %s', url => {
  const hidden = hider([])(`cannot reach ${url}: refused`)
  expect(hidden).toMatch(/^cannot reach (postgres|rediss?):\/\/\[hidden\]@\w+\.example/)
  expect(hidden).not.toMatch(/s3cret|sslmode/)
  expect(hidden).toMatch(/refused$/)
})

test('hides a password everywhere, encoded, decoded and in JSON', () => {
  const hide = hider(['postgres://me:s3c%22ret%40x@db/app', 'a token of some length'])
  expect(hide('password "s3c"ret@x"')).toBe('password "[hidden]"')
  expect(hide(JSON.stringify({ password: 's3c"ret@x', url: 's3c%22ret%40x' }))).not.toMatch(/ret/)
  expect(hide('Bearer a token of some length')).toBe('Bearer [hidden]')
})

test('does not change text without secrets', () => {
  const text = 'select a@b from t where url = http://example.com/path and mail = me@example.com'
  expect(hider(['postgres://me:abc@db/app'])(text)).toBe(text)
})

test('logs JSON in a pipe and colours on a terminal, without secrets', async () => {
  for (const isTTY of [false, true]) {
    const stream = Object.assign(new PassThrough(), { isTTY, hasColors: () => true })
    const log = createLog({ level: 'info', hide: hider(['a secret']), to: stream as never })
    log.info('Connected', { url: 'postgres://me:pw@db/app', nested: { note: 'a secret' } })
    log.debug('Not shown')
    await new Promise(resolve => stream.once('readable', resolve))
    const text = String(stream.read())
    expect(text).not.toMatch(/pw|a secret|Not shown/)
    if (isTTY) expect(text).toContain('\u001b[')
    else expect(JSON.parse(text)).toMatchObject({ msg: 'Connected', url: 'postgres://[hidden]@db/app' })
  }
})

test('logs the message of an error', async () => {
  const stream = new PassThrough()
  createLog({ level: 'info', hide: hider(['s3cret']), to: stream as never }).error('Failed', {
    error: new Error('no s3cret'),
  })
  await new Promise(resolve => stream.once('readable', resolve))
  expect(JSON.parse(String(stream.read()))).toMatchObject({ msg: 'Failed', error: { message: 'no [hidden]' } })
})
