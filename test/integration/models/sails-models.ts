import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterScope } from '../../helpers/scope.ts'
import type { ModelDefinition } from '../../helpers/waterline.ts'

const require = createRequire(import.meta.url)

/** `sails.models` of a Sails app with these models and only the ORM hook. */
export async function loadSailsModels(
  connectionString: string,
  models: Readonly<Record<string, ModelDefinition>>,
): Promise<object> {
  const { Sails } = require('sails')
  const appPath = await mkdtemp(join(tmpdir(), 'sails-'))
  afterScope(() => rm(appPath, { recursive: true, force: true }))
  const sails = new Sails()
  afterScope(() => promisify(sails.lower.bind(sails))())
  await promisify(sails.load.bind(sails))({
    appPath,
    globals: false,
    log: { level: 'error' },
    loadHooks: ['moduleloader', 'userconfig', 'orm'],
    hooks: { orm: require('sails-hook-orm') },
    orm: {
      moduleDefinitions: { models: withIds(models), adapters: { 'sails-postgresql': require('sails-postgresql') } },
    },
    datastores: { default: { adapter: 'sails-postgresql', url: connectionString } },
    models: {
      migrate: 'safe',
      dataEncryptionKeys: { default: Buffer.alloc(32, 7).toString('base64') },
    },
  })
  return sails.models
}

const withIds = (models: Readonly<Record<string, ModelDefinition>>) =>
  Object.fromEntries(
    Object.entries(models).map(([identity, { attributes, ...model }]) => {
      const id = model.primaryKey ? {} : { id: { type: 'number', autoIncrement: true } }
      return [identity, { ...model, attributes: { ...id, ...attributes } }]
    }),
  )
