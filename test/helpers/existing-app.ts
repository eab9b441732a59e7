import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { scratchFolder } from './folder.ts'

const require = createRequire(import.meta.url)

/** Packages that such an app has installed. */
const PACKAGES = ['sails', 'sails-hook-orm', 'sails-postgresql', '@sailshq/lodash', 'dotenv']

/** What `sails new` makes, and what apps do with it. */
const FILES = {
  'package.json': '{ "name": "app", "private": true }',
  '.sailsrc': '{ "hooks": { "grunt": false }, "custom": { "fromRc": "yes" } }',
  'app.js': `
    process.chdir(__dirname)
    require('dotenv').config() // from here on config files find their variables
    const sails = require('sails')
    const rc = require('sails/accessible/rc')
    sails.lift(rc('sails'))`,
  'config/globals.js': `
    module.exports.globals = { _: require('@sailshq/lodash'), async: false, models: true, sails: true }`,
  'config/models.js': `
    module.exports.models = {
      migrate: 'alter',
      schema: true,
      attributes: { id: { type: 'number', autoIncrement: true } },
      dataEncryptionKeys: { default: 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=' },
    }`,
  'config/datastores.js': `
    const { DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASSWORD: password, DB_NAME: database } = process.env
    module.exports.datastores = { default: { adapter: 'sails-postgresql', host, port, user, password, database } }`,
  'config/custom.js': `
    const sails = require('sails')
    console.log('a word of the app')
    module.exports.custom = { uploads: require('path').join(sails.config.appPath, 'uploads') }`,
  'config/bootstrap.js': `
    module.exports.bootstrap = async () => require('fs').writeFileSync('bootstrapped', '')`,
  'api/controllers/CardController.js': `
    require('fs').writeFileSync('controllers-loaded', '')
    module.exports = {}`,
  'api/models/User.js': `
    module.exports = {
      attributes: { email: { type: 'string' }, password: { type: 'string' } },
      customToJSON() {
        return { ..._.omit(this, ['password']), uploads: sails.config.custom.uploads, rc: sails.config.custom.fromRc }
      },
    }`,
  'api/models/Event.js': `
    module.exports = { attributes: { title: { type: 'string' }, host: { model: 'user' } } }`,
  'api/models/Response.js': `
    module.exports = { attributes: { text: { type: 'string' } } }`,
}

/** Writes a Sails app to disk whose database is in its `.env`. */
export async function writeExistingApp(
  env: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = await scratchFolder()
  const variables = Object.entries(env).map(([name, value]) => `${name}='${value}'`)
  for (const [path, text] of Object.entries({ ...FILES, '.env': variables.join('\n'), ...files })) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  for (const name of PACKAGES) {
    const link = join(folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(dirname(require.resolve(`${name}/package.json`)), link)
  }
  return folder
}
