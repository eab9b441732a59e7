import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { liftApp, summary } from './fixture.ts'

const require = createRequire(import.meta.url)

test('an app with sails-hook-sockets 2 logs the requirement and lifts without the feed', async () => {
  const errors: string[] = []
  const custom = Object.fromEntries(
    ['silly', 'verbose', 'info', 'debug', 'log', 'blank', 'warn'].map(level => [level, () => {}]),
  )
  const database = await testDatabase()
  const more = {
    hooks: { sockets: require('sails-hook-sockets-2') },
    log: { custom: { ...custom, error: (message: string) => errors.push(message) } },
  }
  const { app, port } = await liftApp({ more }, database)
  expect(errors).toEqual([expect.stringMatching(/socket\.io 4.*npm install sails-hook-sockets@3/)])
  expect(app.hooks.changefeed.status()).toMatchObject({ state: 'off' })
  expect(await database.query(`select from pg_namespace where nspname = 'changefeed'`)).toEqual([])
  const [watcher, actor] = await Promise.all([connectSailsClient({ port }), connectSailsClient({ port })])
  await watcher.get('/pet')
  expect(await actor.post('/pet', { name: 'rex' })).toMatchObject({ statusCode: 200 })
  await watcher.messages.next('pet')
  expect(summary(watcher)).toEqual(['pet created 1'])
})
