import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { petShop } from './feed/fixture.ts'
import { testDatabase } from './helpers/database.ts'
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
