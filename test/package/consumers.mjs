/**
 * Installs the packed package into an empty folder and uses it as apps do: with `import` and with `require`, type-checked
 * in both modes without `skipLibCheck`, and by its command line: `node test/package/consumers.mjs <tarball>`.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const tarball = resolve(process.argv[2])
const { devDependencies } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
const folder = await mkdtemp(join(tmpdir(), 'changefeed-consumer-'))
const installed = join(folder, 'node_modules/waterline-changefeed')
const inFolder = (program, ...args) => run(program, args, { cwd: folder })

const USE = `
const feed: Changefeed = createChangefeed({ connectionString: 'postgres://localhost/app', collections: {} })
feed.on('change', ({ identity, meta }: ChangeEvent) => [identity.length, meta.at.toFixed()])
export const problem: unknown = new ChangefeedError('E_STATE', 'A problem.') satisfies ChangefeedError
`
const NAMES = '{ type ChangeEvent, type Changefeed, ChangefeedError, createChangefeed }'
const USE_CLIENT = `
declare const socket: object
const changes: Changes = changefeed(socket)
changes.get('/user', list => list)
changes.on('gap', ({ identities }) => identities.length)
const users = changes.live<{ name: string }>('/user')
users.onChange = ([first]) => first?.name
`
const CLIENT_NAMES = '{ type Changes, changefeed }'
const CONSUMERS = {
  'module.mts': `import ${NAMES} from 'waterline-changefeed'\n${USE}`,
  'common.cts': `import ${NAMES} from 'waterline-changefeed'\n${USE}`,
  'client.mts': `import ${CLIENT_NAMES} from 'waterline-changefeed/client'\n${USE_CLIENT}`,
  'client.cts': `import ${CLIENT_NAMES} from 'waterline-changefeed/client'\n${USE_CLIENT}`,
  'assigned.cts': `import changefeed = require('waterline-changefeed')\nchangefeed.parseCursor('1.2.3')\n`,
}

async function install() {
  await writeFile(join(folder, 'package.json'), '{ "name": "consumer", "private": true }')
  const { stdout, stderr } = await inFolder('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', tarball)
  assert.doesNotMatch(stdout + stderr, /EBADENGINE/)
}

async function exportsTheSame() {
  const print =
    'console.log(JSON.stringify(Object.keys(names).filter(name => !/^(default|module.exports)$/.test(name)).sort()))'
  const imported = await inFolder(
    'node',
    '--input-type=module',
    '-e',
    `import * as names from 'waterline-changefeed'\n${print}`,
  )
  const required = await inFolder('node', '-e', `const names = require('waterline-changefeed')\n${print}`)
  assert.equal(required.stdout, imported.stdout)
  assert.equal(required.stderr, '')
  const declarations = await readFile(join(installed, 'dist/src/index.d.cts'), 'utf8')
  const declared = [...declarations.matchAll(/export declare const (\w+)/g)].map(([, name]) => name).sort()
  assert.deepEqual(JSON.parse(imported.stdout), declared)
}

async function exportsTheClient() {
  const code = `import('waterline-changefeed/client').then(({ changefeed }) => {
    if (changefeed !== require('waterline-changefeed/client').changefeed) process.exit(1)
  })`
  await inFolder('node', '-e', code)
  await inFolder('node', '--input-type=module', '-e', `import { changefeed } from 'waterline-changefeed/client.min.js'`)
}

async function isAHook() {
  await inFolder('node', '-e', `if (typeof require(${JSON.stringify(installed)}) !== 'function') process.exit(1)`)
}

/** `node16` does not let CommonJS import an ES module: index.d.cts must not rely on it. */
async function typeChecks(version) {
  await inFolder('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', `typescript@${version}`)
  for (const [name, code] of Object.entries(CONSUMERS)) await writeFile(join(folder, name), code)
  const compilerOptions = { module: 'node16', target: 'es2022', strict: true, noEmit: true, skipLibCheck: false }
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, types: [] }, files: Object.keys(CONSUMERS) }),
  )
  await inFolder('npx', '--no-install', 'tsc').catch(({ stdout }) => assert.fail(stdout))
}

/** Files that its pages name: as links, or as code that begins with a folder of the package. */
async function holdsWhatItsPagesName() {
  const held = new Set(readdirSync(installed, { recursive: true }).map(path => path.replaceAll('\\', '/')))
  const pages = [...held].filter(path => /^(?!dist|node_modules).*\.md$/.test(path))
  assert.ok(pages.length > 15)
  const named = await Promise.all(pages.map(namedIn))
  const missing = [...named.flat(), 'LICENSE', 'CHANGELOG.md'].filter(path => !held.has(path.replace(/\/$/, '')))
  assert.deepEqual(missing, [])
}

async function namedIn(page) {
  const text = await readFile(join(installed, page), 'utf8')
  const links = [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, path]) => posix.join(posix.dirname(page), path))
  return [...links, ...[...text.matchAll(/`((?:docs|examples)\/[^`\s]*)`/g)].map(([, path]) => path)]
}

async function shows(what, check) {
  await check()
  console.log(`- ${what}`)
}

try {
  await shows('every dependency supports this version of Node', install)
  await shows('import and require give the same, which the types declare', exportsTheSame)
  await shows('import and require give the same client', exportsTheClient)
  await shows('Sails finds a hook in its folder', isAHook)
  await shows('its command line runs', () => inFolder('npx', '--no-install', 'waterline-changefeed', '--help'))
  await shows('types are complete in TypeScript 5.9', () => typeChecks('5.9'))
  await shows('types are complete in the newest TypeScript', () => typeChecks(devDependencies.typescript))
  await shows('it holds what its pages name', holdsWhatItsPagesName)
} finally {
  await rm(folder, { recursive: true, force: true })
}
