import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { eventually } from '../../helpers/eventually.ts'
import { built, startProgram } from '../../helpers/program.ts'
import { openShop } from '../feed/fixture.ts'
import { DEFINITIONS, desk, shopDesk } from './desk.ts'

const COMMANDS = [
  'plan',
  'install',
  'uninstall',
  'status',
  'doctor',
  'audit',
  'tail',
  'start',
  'replay',
  'pause',
  'resume',
  'demo',
  'completion',
]

test('every command prints its usage', async () => {
  const { run } = await desk()
  const all = await run('--help')
  expect(all.code).toBe(0)
  expect(all.text).toMatch(/Exit codes/)
  for (const command of COMMANDS) {
    expect(all.text).toMatch(new RegExp(`^  ${command} `, 'm'))
    const { code, text } = await run(command, '--help')
    expect([command, code, text]).toEqual([command, 0, expect.stringMatching(`Usage: waterline-changefeed ${command}`)])
  }
})

test.each([
  ['an unknown command', ['feed'], 2, /unknown command/],
  ['an unknown flag', ['plan', '--fast'], 2, /unknown option/],
  ['no database', ['status'], 2, /No database is configured.*DATABASE_URL/],
  ['a wrong URL', ['status', '--database-url', 'mysql://x'], 2, /--database-url must be a Postgres URL/],
  ['no models', ['plan', '--database-url', 'postgres://127.0.0.1:1/x'], 2, /No models are configured/],
  [
    'no server',
    ['status', '--database-url', 'postgres://me:secret1@127.0.0.1:1/x'],
    3,
    /Check that the server is running/,
  ],
  [
    'no app',
    ['plan', '--app', 'nowhere', '--database-url', 'postgres://127.0.0.1:1/x'],
    4,
    /folder .*nowhere does not exist/,
  ],
  ['a lost config file', ['plan', '--config', 'lost.mjs'], 2, /file .*lost\.mjs does not exist/],
])('%s: prints one message and exits with its code', async (_name, args, code, message) => {
  const { run } = await desk()
  const result = await run(...args)
  expect(result.text).toMatch(message)
  expect(result.text).not.toMatch(/\n {4}at |secret1/)
  expect(result.code).toBe(code)
})

test('the process ends with the exit code of its command', async () => {
  const { start } = await desk({ DATABASE_URL: 'postgres://127.0.0.1:1/x' })
  const codes = [['--version'], ['plan', '--fast'], ['status'], ['plan', '--app', 'nowhere']].map(async args => {
    const { ended } = start(...args)
    return (await ended).code
  })
  expect(await Promise.all(codes)).toEqual([0, 2, 3, 4])
})

test('flags take precedence over variables, and variables over the file', async () => {
  const { shop, run } = await shopDesk(`export default { schema: 'from_file', definitions: ${DEFINITIONS} }`)
  const schemaOf = async (env: Record<string, string>, ...args: string[]) => {
    const { run } = await desk(
      { DATABASE_URL: shop.database.connectionString, ...env },
      { 'changefeed.config.mjs': `export default { schema: 'from_file', definitions: ${DEFINITIONS} }` },
    )
    return /create schema if not exists "(\w+)"/.exec((await run('plan', ...args)).text)?.[1]
  }
  expect(await schemaOf({})).toBe('from_file')
  expect(await schemaOf({ CHANGEFEED_SCHEMA: 'from_env' })).toBe('from_env')
  expect(await schemaOf({ CHANGEFEED_SCHEMA: 'from_env' }, '--schema', 'from_flag')).toBe('from_flag')
  expect((await run('plan', '--schema', '')).text).toMatch(/--schema must not be empty/)
})

test.each([
  ['cjs', `module.exports = { definitions: ${DEFINITIONS} }`],
  ['mjs', `export default { definitions: ${DEFINITIONS} }`],
  ['js', `module.exports = { definitions: ${DEFINITIONS} }`],
])('a config file may be changefeed.config.%s', async (extension, text) => {
  const shop = await openShop()
  const { run } = await desk(
    { DATABASE_URL: shop.database.connectionString },
    { [`changefeed.config.${extension}`]: text },
  )
  expect((await run('plan')).text).toMatch(/^\+ not captured yet: pet, user$/m)
})

test.each([
  ['what it does not know', `export default { colour: 'red' }`, /Unknown setting `colour`.*Known settings: .*schema/],
  ['a wrong value', `export default { httpPort: 'many' }`, /Setting `httpPort` must be a port/],
  ['no object', `export default 7`, /exports no object/],
  ['a syntax error', `export default {`, /cannot be loaded/],
  ['an open status page', `export default { httpHost: '0.0.0.0', httpPort: 80 }`, /CHANGEFEED_TOKEN/],
  [
    'models that Waterline refuses',
    `export default { definitions: { pet: { attributes: { a: { type: 'blob' } } } } }`,
    /Waterline refuses/,
  ],
])('a config file with %s is refused with a message', async (_name, text, message) => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/x', CHANGEFEED_HTTP_PORT: '' }
  const { run } = await desk(env, { 'changefeed.config.mjs': text })
  expect((await run('plan')).text).toMatch(message)
})

test('loads TypeScript if this Node supports it, and otherwise reports it', async () => {
  const shop = await openShop()
  const text = `const definitions: object = ${DEFINITIONS}\nexport default { definitions }`
  const { run } = await desk({ DATABASE_URL: shop.database.connectionString }, { 'changefeed.config.ts': text })
  const reads = Boolean((process.features as { typescript?: unknown }).typescript)
  expect((await run('plan')).text).toMatch(
    reads ? /^\+ not captured yet: pet, user$/m : /cannot read .*Node 22\.18.*changefeed\.config\.mjs/,
  )
})

test.each([
  ['true', /Serving sockets requires models/],
  ['', /Serving sockets requires models/],
  ['false', /No adapter is configured to reach the app's sockets/],
  ['perhaps', /CHANGEFEED_SERVE must be true/],
])('the variable of a flag without a value turns it on or off: %j', async (value, message) => {
  const { run } = await desk(
    { DATABASE_URL: 'postgres://127.0.0.1:1/x', CHANGEFEED_SERVE: value },
    { 'changefeed.config.mjs': `export default { definitions: ${DEFINITIONS}, serve: { models: { pet: true } } }` },
  )
  expect((await run('start')).text).toMatch(message)
})

test('installs and uninstalls', { timeout: 90_000 }, async () => {
  const { shop, run } = await shopDesk()
  expect((await run('status')).code).toBe(4)
  expect((await run('doctor')).code).toBe(5)
  const plan = await run('plan')
  expect(plan.text).toMatch(/create trigger "!changefeed/)
  expect((await run('install')).code).toBe(0)
  const again = JSON.parse((await run('plan', '--json')).text)
  expect(again).toMatchObject({ complete: true, migrations: [] })
  const doctor = await run('doctor')
  expect([doctor.code, doctor.text]).toEqual([0, expect.stringMatching(/warning leader/)])
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  expect(JSON.parse((await run('status', '--json')).text)).toMatchObject({ lag: { changes: 1 }, leader: null })
  expect((await run('uninstall')).code).toBe(2)
  expect((await run('uninstall', '--yes')).code).toBe(0)
  expect(await shop.database.query(`select from pg_namespace where nspname = 'changefeed'`)).toEqual([])
})

test('models selected by a flag keep their settings in the config file', async () => {
  const { shop, run } = await shopDesk(
    `export default { definitions: ${DEFINITIONS}, models: { user: { omit: ['password'] } } }`,
  )
  await run('install')
  await run('install', '--models', 'user', '--prune', '--yes')
  await shop.database.query(`insert into "user" (id, name, password) values (1, 'ann', 's3cret')`)
  const logged = await shop.database.query('select change::text from changefeed.change')
  expect(JSON.stringify(logged)).not.toMatch(/s3cret/)
  expect((await run('status')).text).not.toMatch(/^pet /m)
})

test('tail prints published events, also past ones, with filters', async () => {
  const { shop, run, start } = await shopDesk()
  await run('install')
  const feed = shop.feed()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`)
  await shop.database.query(`update pet set name = 'ben' where id = 2`)
  await feed.settled()
  const tail = start('tail', '--since', '1h', '--model', 'pet', '--id', '2')
  expect(JSON.parse(await tail.line(/created/))).toMatchObject({ identity: 'pet', id: 2, record: { name: 'max' } })
  expect(JSON.parse(await tail.line(/updated/))).toMatchObject({ changes: { name: 'ben' }, cursor: expect.any(String) })
  await shop.database.query(`delete from pet`)
  expect(JSON.parse(await tail.line(/destroyed/))).toMatchObject({ id: 2 })
  tail.kill('SIGINT')
  expect((await tail.ended).code).toBe(0)
  const [target, ...changes] = tail.lines
  expect(target).toMatch(/changefeed\.config\.mjs \(test\): database test_\w+ on 127\.0\.0\.1:\d+, schema changefeed$/)
  expect(changes).toHaveLength(3)
  const cursor = JSON.parse(changes[1] ?? '').cursor
  const rest = start('tail', '--since', cursor, '--verb', 'destroyed')
  await rest.line(/"id":1/)
  await rest.line(/"id":2/)
  expect((await run('tail', '--since', 'yesterday')).text).toMatch(/neither a cursor, nor a time/)
})

test('replay prints only JSON with --json', async () => {
  const { shop, run } = await shopDesk()
  await run('install')
  const feed = shop.feed()
  await feed.start()
  await shop.database.query(`insert into pet (id, name) values (1, 'rex'), (2, 'max')`)
  await feed.settled()
  const { code, text } = await run('replay', '--since', '1h', '--adapter', 'postgres', '--json')
  expect([code, JSON.parse(text)]).toEqual([0, { replayed: 2 }])
})

test('pauses and resumes single models', async () => {
  const { run } = await shopDesk()
  await run('install')
  expect((await run('pause', 'Pet')).text).toMatch(/\npaused pet$/)
  expect((await run('pause', 'pet')).text).toMatch(/\npet was already paused$/)
  expect(await run('pause', 'fish')).toMatchObject({ code: 2, text: expect.stringMatching(/No model `fish`.*user/) })
  expect((await run('status')).text).toMatch(/pet .*paused .*, 0 skipped/)
  expect((await run('resume')).text).toMatch(/resumed pet: 0 changes/)
  expect((await run('resume')).text).toMatch(/\nNothing was paused\.$/)
})

test('uninstall says what it would work on, and that there was nothing', async () => {
  const { run } = await shopDesk()
  const asked = await run('uninstall', '--schema', 'other')
  expect(asked).toMatchObject({ code: 2, text: expect.stringMatching(/database test_\w+ on .*, schema other\n/) })
  expect(asked.text).toContain('npx waterline-changefeed uninstall --yes --schema other')
  expect((await run('uninstall', '--yes', '--schema', 'other')).text).toMatch(/Nothing was uninstalled/)
  expect((await run('status', '--app', '/nowhere')).text).toMatch(/The folder \/nowhere does not exist/)
})

test('consumers are listed with what they have not acknowledged, and dropped', async () => {
  const { shop, run } = await shopDesk()
  await run('install')
  expect((await run('consumers')).text).toMatch(/There is no consumer/)
  const feed = shop.feed()
  await feed.start()
  const consumer = feed.consume({ name: 'search' })[Symbol.asyncIterator]()
  const first = consumer.next()
  await eventually(async () =>
    expect(await shop.database.query('select 1 from changefeed.consumer where pid > 0')).toHaveLength(1),
  )
  await shop.database.query(`insert into pet (id, name) values (1, 'rex')`)
  await first
  expect((await run('consumers')).text).toMatch(/search +yes +1 change, /)
  expect((await run('status')).text).toMatch(/search +yes +1 change, /)
  await consumer.return?.(undefined)
  const { consumers } = JSON.parse((await run('consumers', '--json')).text)
  expect(consumers).toMatchObject([{ name: 'search', connected: false, lag: { changes: 1 } }])
  expect(await run('consumers', 'drop', 'serach')).toMatchObject({ code: 2, text: expect.stringContaining('search') })
  expect((await run('consumers', 'drop', 'search')).text).toMatch(/dropped search$/)
  expect(await run('consumers', 'drop', 'publisher')).toMatchObject({ code: 2 })
})

test('with --json errors are JSON too, with the same exit code', async () => {
  const { run } = await desk({ DATABASE_URL: 'postgres://ann:s3cret@127.0.0.1:1/shop' })
  const refused = await run('status', '--json')
  expect(refused.code).toBe(3)
  expect(JSON.parse(refused.text)).toEqual({
    error: { code: 'E_CONNECT', message: expect.stringContaining('ECONNREFUSED') },
  })
  expect(refused.text).not.toContain('s3cret')
  const misspelt = await run('status', '--json', '--shcema', 'x')
  expect(misspelt.code).toBe(2)
  const [json] = misspelt.text.split('\n').filter(line => line.startsWith('{'))
  expect(JSON.parse(json ?? '')).toEqual({
    error: { code: 'E_USAGE', message: expect.stringContaining('--shcema') },
  })
})

test('a closed output pipe ends a command silently', async () => {
  const { folder, shop } = await shopDesk()
  const main = fileURLToPath(built('cli/main.js'))
  const script = `cd '${folder}'; '${process.execPath}' '${main}' plan | true; echo ended`
  const program = startProgram('/bin/sh', ['-c', script], { DATABASE_URL: shop.database.connectionString })
  await program.ended
  expect(program.lines).toEqual([expect.stringContaining('schema changefeed'), 'ended'])
})

test('status --watch refreshes until interrupted, also after a database outage', async () => {
  const { shop, start, run } = await shopDesk()
  await run('install')
  const watching = start('status', '--watch', '0.1', '--json')
  const lines = async () => JSON.parse(await watching.line(/^\{/)) as { models?: unknown[]; error?: { code: string } }
  expect((await lines()).models).toHaveLength(2)
  expect((await lines()).models).toHaveLength(2)
  await shop.database.query('alter schema changefeed rename to elsewhere')
  await eventually(async () => expect((await lines()).error?.code).toBe('E_NOT_INSTALLED'))
  await shop.database.query('alter schema elsewhere rename to changefeed')
  await eventually(async () => expect((await lines()).models).toHaveLength(2))
  watching.kill('SIGINT')
  expect(await watching.ended).toEqual({ code: 0, signal: null })
  expect((await run('status', '--watch', 'often')).code).toBe(2)
})

test('definitions with `encrypt` need no key, since such columns are never logged', async () => {
  const definitions = DEFINITIONS.replace(`password: { type: 'string' }`, `password: { type: 'string', encrypt: true }`)
  const { run } = await shopDesk(`export default { definitions: ${definitions} }`)
  const { code, text } = await run('plan')
  expect([code, text]).toEqual([0, expect.stringMatching(/not captured yet: .*user/)])
})

test.each([
  ['--port', 'web'],
  ['--http-port', 'web'],
  ['--ready-lag-ms', 'soon'],
])('start %s %s: refuses an invalid value', async (flag, value) => {
  const { run } = await desk({ DATABASE_URL: 'postgres://127.0.0.1:1/shop' })
  const { code, text } = await run('start', flag, value)
  expect([code, text]).toEqual([2, expect.stringMatching(/^error --[\w-]+ must be a (number|port)/)])
  expect(text).not.toMatch(/NaN|expected|received/)
})
