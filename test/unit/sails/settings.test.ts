import { expect, test } from 'vitest'
import { ChangefeedError } from '../../../src/errors.ts'
import { modelSettings, readSettings } from '../../../src/sails/hook/settings.ts'

test.each([false, 'false'])('the feed can be disabled: %j', config => {
  expect(readSettings(config)).toBeUndefined()
})

test.each([undefined, {}, true, 'true'])('the feed is enabled by default: %j', config => {
  expect(readSettings(config)).toMatchObject({ install: 'auto', blueprints: 'keep', duplicateWindowMs: 0 })
})

test('settings may be text, as from environment variables', () => {
  const text = {
    install: 'true',
    duplicateWindowMs: '500',
    retentionMs: '60000',
    populate: 'true',
    noopUpdates: 'ignore',
    schema: '2024',
    models: { user: '{"omit":["pin"]}', log: 'false', pet: { omit: ['nick'], noopUpdates: 'ignore' } },
  }
  expect(readSettings(text)).toEqual({
    install: true,
    blueprints: 'keep',
    duplicateWindowMs: 500,
    listener: 'app',
    models: { user: { omit: ['pin'] }, log: false, pet: { omit: ['nick'], noopUpdates: 'ignore' } },
    address: undefined,
    feed: { retentionMs: 60_000, populate: true, noopUpdates: 'ignore', schema: '2024' },
  })
  expect(readSettings({ install: 'auto', models: '["user"]' })).toMatchObject({ install: 'auto', models: ['user'] })
})

test.each(['yes', 7, null, { install: 'perhaps' }, { duplicateWindowMs: 'soon' }])(
  'invalid settings are rejected: %j',
  config => {
    expect(() => readSettings(config)).toThrow(ChangefeedError)
  },
)

test('a list of no models is refused, unless a model has settings of its own', () => {
  expect(() => modelSettings([{ identity: 'user' }], [])).toThrow(
    /names no model, and no model has the key `changefeed`/,
  )
  expect(modelSettings([{ identity: 'user', changefeed: {} }, { identity: 'log' }], [])).toEqual({
    user: {},
    log: false,
  })
  expect(modelSettings([{ identity: 'user' }], [], new Set(['log']))).toEqual({ user: false })
})
