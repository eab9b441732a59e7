import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import type { Changefeed } from '../src/changefeed.ts'
import { petShop } from './feed/fixture.ts'
import { testDatabase } from './helpers/database.ts'
import { connectSailsClient } from './helpers/sails-client.ts'
import { afterScope } from './helpers/scope.ts'
import { startWaterline } from './helpers/waterline.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The code block of the README below `<!-- run: name -->`. */
async function example(name: string): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const [, code] = new RegExp(`<!-- run: ${name} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(readme) ?? []
  if (code === undefined) throw new Error(`The README has no example \`${name}\`.`)
  return code
}

/** Runs an example as it stands, with these variables in scope; it imports the built package by its name. */
async function run(code: string, scope: Record<string, unknown>): Promise<void> {
  const imports = code.match(/^import .*$/gm) ?? []
  const body = code.replace(/^import .*$/gm, '')
  const folder = await mkdtemp(join(root, 'dist', 'example-'))
  afterScope(() => rm(folder, { recursive: true }))
  const file = join(folder, 'example.mjs')
  const parameters = Object.keys(scope).join(', ')
  await writeFile(
    file,
    `${imports.join('\n')}\nexport default async function example({ ${parameters} }) {\n${body}\n}\n`,
  )
  const { default: start } = await import(/* @vite-ignore */ pathToFileURL(file).href)
  await start(scope)
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return port
}

test('the example of the library', async () => {
  const { connectionString } = await testDatabase()
  const { collections } = await startWaterline({ connectionString, models: petShop, migrate: 'drop' })
  const io = new Server(createServer())
  const said: { state?: string; capture?: { steps: unknown[] } }[] = []
  const code = await example('library')
  await run(code, { connectionString, collections, io, console: { log: (it: object) => said.push(it) } })
  expect(said[0]?.capture?.steps).toHaveLength(2)
  expect(said[1]?.state).toBe('running')
})

test('the example of realtime without Sails', async () => {
  const database = await testDatabase()
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models: petShop, migrate: 'drop' })
  const port = await freePort()
  const feeds: Changefeed[] = []
  const code = (await example('realtime')).replace('await feed.start()', 'await feed.start()\nkeep(feed, server)')
  const keep = (feed: Changefeed, server: HttpServer) => {
    feeds.push(feed)
    afterScope(async () => {
      await feed.stop()
      server.closeAllConnections()
      server.close()
    })
  }
  await run(code, { connectionString, collections, port, keep })
  const client = await connectSailsClient({ port })
  expect((await client.get('/user')).body).toEqual([])
  expect((await client.get('/say/hello')).statusCode).toBe(200)
  expect((await client.get('/archive')).statusCode).toBe(404)
  await database.query(`insert into "user" (id, name, password) values (1, 'ada', 'secret')`)
  const { data } = await client.messages.next('user')
  expect(data).toMatchObject({ verb: 'created', id: 1, data: { name: 'ada' } })
  expect(data.data).not.toHaveProperty('password')
})
