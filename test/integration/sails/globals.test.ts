import { execFileSync } from 'node:child_process'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { testDatabase } from '../../helpers/database.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { startApp, summary } from './fixture.ts'

/** Names that Express and engine.io use: such an app fails without the feed as well. */
const OTHERS_NEED = new Set(['Buffer', 'URL'])

/** Globals of this version of Node that are not part of the language: `Event`, `Response`, `Performance`, ... */
function constructorsOfNode(): string[] {
  const ofTheLanguage = new Set<string>(runInNewContext('Object.getOwnPropertyNames(globalThis)'))
  const code = 'console.log(JSON.stringify(Object.getOwnPropertyNames(globalThis)))'
  const names: string[] = JSON.parse(execFileSync(process.execPath, ['--eval', code], { encoding: 'utf8' }))
  return names.filter(name => /^[A-Z]/.test(name) && !ofTheLanguage.has(name) && !OTHERS_NEED.has(name))
}

test('models may have the names of all Node globals and replace them', { timeout: 120_000 }, async () => {
  const names = constructorsOfNode()
  expect(names).toEqual(
    expect.arrayContaining(['Event', 'EventTarget', 'Response', 'Request', 'File', 'AbortController']),
  )
  const attributes = { name: { type: 'string' } }
  const definitions = Object.fromEntries(names.map(name => [name.toLowerCase(), { globalId: name, attributes }]))
  const globals = { _: false, async: false, sails: false, models: true }
  const database = await testDatabase()
  const columns = '(id serial primary key, "createdAt" bigint, "updatedAt" bigint, name text)'
  await database.query(
    Object.keys(definitions)
      .map(table => `create table ${table} ${columns};`)
      .join(''),
  )
  const { program, port } = await startApp(database, {
    config: { definitions, models: { migrate: 'safe' } }, // faster
    changefeed: { install: true },
    more: { globals },
  })
  expect(await program.line(/^status /)).toContain('"state":"running"')
  const client = await connectSailsClient({ port })
  await client.get('/event')
  await database.query(`insert into event (name) values ('fair')`)
  await client.messages.next('event')
  expect(summary(client)).toEqual(['event created 1'])
  program.kill('SIGTERM') // globals that only the shutdown uses must work as well
  expect((await program.ended).code).toBe(0)
})
