import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { testDatabase } from '../helpers/database.ts'
import { eventually } from '../helpers/eventually.ts'
import { copyExample, runIn } from '../helpers/example-app.ts'
import { startProgram } from '../helpers/program.ts'
import { connectSailsClient } from '../helpers/sails-client.ts'

const read = (name: string) => readFile(new URL(`../../examples/deploy/${name}`, import.meta.url), 'utf8')

/** What follows `pattern` on its line. */
function rest(text: string, pattern: RegExp): string {
  const line = text.split('\n').find(line => pattern.test(line))
  if (line === undefined) throw new Error(`no line like ${pattern}`)
  return line.replace(pattern, '').trim()
}

/** A command as the files write it, with the Node of the tests. */
const withNode = (command: string) => command.replace(/^(\/usr\/bin\/)?node /, `${process.execPath} `)
const ofList = (list: string) => (JSON.parse(list) as string[]).join(' ')
const ofFlowList = (list: string) => list.replace(/^\[|\]$/g, '').replaceAll(', ', ' ')

const ADAPTERS = `
  select from pg_stat_activity where datname = current_database() and query ilike 'listen "socket.io%'`

/** An app with a listener, in the folder where the files expect it. */
async function openApp() {
  const database = await testDatabase()
  await database.query(
    'create table todo (id serial primary key, title text not null, done boolean not null default false)',
  )
  const folder = await copyExample('listener')
  const env = { DATABASE_URL: database.connectionString, CHANGEFEED_HTTP_PORT: '0' }
  return { database, run: (command: string, more = {}) => runIn(folder, withNode(command), { ...env, ...more }) }
}

test('the unit, the image and the pods run the same commands, and these install and publish', async () => {
  const unit = await read('waterline-changefeed.service')
  const dockerfile = await read('Dockerfile')
  const kubernetes = await read('kubernetes.yml')
  const start = rest(unit, /^ExecStart=/)
  const install = ofFlowList(rest(await read('docker-compose.yml'), /^ +command: (?=.*install)/))
  expect(withNode(ofList(rest(dockerfile, /^CMD /)))).toBe(withNode(start))
  expect(ofFlowList(rest(kubernetes, /^ +command: /))).toBe(install)

  const app = await openApp()
  expect(await app.run(install).ended).toEqual({ code: 0, signal: null })
  const listener = app.run(start)
  const url =
    /"url":"([^"]+)"/.exec(await listener.line(/Status page, metrics and health checks are served/))?.[1] ?? ''
  await listener.line(/The listener is ready/)

  const server = app.run('node server.mjs', { PORT: '0' })
  const client = await connectSailsClient({ port: Number(new URL(await server.line(/^http/)).port) })
  await client.get('/todo')
  // The adapters of the listener and of the server listen some time after these are ready.
  await eventually(async () => expect((await app.database.query(ADAPTERS)).length).toBeGreaterThanOrEqual(2))
  await app.database.query(`insert into todo (title) values ('buy milk')`)
  const message = await client.messages.next('todo').catch(error => {
    throw new Error([error.message, ...listener.lines, ...server.lines].join('\n'))
  })
  expect(message.data).toMatchObject({ verb: 'created', data: { title: 'buy milk' } })

  const [, , script = ''] = JSON.parse(rest(dockerfile, /^ +CMD (?=.*healthz)/)) as string[]
  const isHealthy = async () => {
    const code = script.replace('http://127.0.0.1:9464', url)
    expect(code).toContain(url)
    return (await startProgram(process.execPath, ['-e', code]).ended).code
  }
  expect(await isHealthy()).toBe(0)
  for (const [, path] of kubernetes.matchAll(/path: (\/\w+)/g)) expect((await fetch(`${url}${path}`)).status).toBe(200)
  expect((await fetch(`${url}/metrics`)).status).toBe(200)

  listener.kill(rest(unit, /^KillSignal=/) as NodeJS.Signals)
  expect(await listener.ended).toEqual({ code: 0, signal: null })
  expect(await isHealthy()).toBe(1)
})

test('the unit does not restart a listener whose settings are wrong', async () => {
  const unit = await read('waterline-changefeed.service')
  const app = await openApp()
  const { code } = await app.run(rest(unit, /^ExecStart=/), { CHANGEFEED_TOKEN: 'short' }).ended
  expect(code).toBe(Number(rest(unit, /^RestartPreventExitStatus=/)))
})
