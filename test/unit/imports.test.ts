import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { breaches } from '../helpers/import-rules.ts'

test('imports run along the path of a change, and packages stay in their rooms', async () => {
  const sources = new Map([...(await filesOf('src')), ...(await filesOf('migrations'))])
  expect(sources.size).toBeGreaterThan(30)
  expect(breaches(sources)).toEqual([])
})

test.each([
  [
    'upwards',
    { 'src/db/a.ts': "import { b } from '../publish/b.ts'", 'src/publish/b.ts': '' },
    /db comes before publish/,
  ],
  [
    'type only',
    { 'src/db/a.ts': "import type { B } from '../leader/b.ts'", 'src/leader/b.ts': '' },
    /db comes before leader/,
  ],
  [
    'several lines',
    { 'src/db/a.ts': "export {\n  b,\n} from '../leader/b.ts'", 'src/leader/b.ts': '' },
    /db comes before/,
  ],
  ['dynamic', { 'src/db/a.ts': "await import('../cli/b.ts')", 'src/cli/b.ts': '' }, /db comes before cli/],
  ['bare', { 'src/errors.ts': "import './logger.ts'", 'src/logger.ts': '' }, /errors.ts comes before logger.ts/],
  [
    'sideways',
    { 'src/change-log/a.ts': "import b from '../wakeup/b.ts'", 'src/wakeup/b.ts': '' },
    /change-log comes before wakeup/,
  ],
  ['a test', { 'src/db/a.ts': "import b from '../../test/b.ts'" }, /not in a room of src/],
  ['migrations', { 'src/cli/a.ts': "import b from '../../migrations/b.ts'", 'migrations/b.ts': '' }, /only db knows/],
  ['from a migration', { 'migrations/a.ts': "import b from '../src/db/b.ts'", 'src/db/b.ts': '' }, /stands alone/],
  ['the client', { 'src/cli/a.ts': "import b from '../client/b.ts'", 'src/client/b.ts': '' }, /stands alone/],
  ['a new room', { 'src/util/a.ts': "import b from '../errors.ts'", 'src/errors.ts': '' }, /in no room/],
  ['pg', { 'src/publish/a.ts': "import pg from 'pg'" }, /imports pg, which only db, wakeup may know/],
  ['sails', { 'src/capture/a.ts': "import sails from 'sails'" }, /imports sails/],
  ['required', { 'src/leader/a.cjs': "const io = require('socket.io')" }, /imports socket.io/],
  [
    'a cycle',
    { 'src/db/a.ts': "import './b.ts'", 'src/db/b.ts': "import './c.ts'", 'src/db/c.ts': "import './a.ts'" },
    /cycle: src\/db\/a.ts -> src\/db\/b.ts -> src\/db\/c.ts -> src\/db\/a.ts/,
  ],
])('a planted breach is found: %s', (_name, files, complaint) => {
  expect(breaches(new Map(Object.entries(files)))).toEqual([expect.stringMatching(complaint)])
})

test('what is allowed passes, and comments are no imports', () => {
  const files = {
    'src/sails/hook.cjs': "module.exports = () => import('./start.js')",
    'src/sails/start.ts': "import { createChangefeed } from '../changefeed.ts'",
    'src/index.ts': "export { start } from './changefeed.ts' // from '../cli/main.ts'",
    'src/changefeed.ts': "/** import '../cli/main.ts' */\nimport { connect } from './db/connect.ts'",
    'src/db/connect.ts': "import pg from 'pg'\nimport { list } from '../../migrations/index.ts'",
    'migrations/index.ts': "import { sql } from 'kysely'",
  }
  expect(breaches(new Map(Object.entries(files)))).toEqual([])
})

async function filesOf(folder: string): Promise<[string, string][]> {
  const root = join(import.meta.dirname, '../..')
  const names = (await readdir(join(root, folder), { recursive: true })).filter(name => /\.[cm]?[jt]s$/.test(name))
  return await Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      return [`${folder}/${name}`, await readFile(join(root, folder, name), 'utf8')]
    }),
  )
}
