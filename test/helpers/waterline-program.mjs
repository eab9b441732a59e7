// For programs that a test starts: plain JavaScript, as nothing compiles it.
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import sailsPostgresql from 'sails-postgresql'
import Waterline from 'waterline'

const id = { type: 'number', autoMigrations: { autoIncrement: true } }
const models = {
  user: {
    attributes: {
      id,
      name: { type: 'string' },
      password: { type: 'string' },
      pets: { collection: 'pet', via: 'owner' },
    },
  },
  pet: { attributes: { id, name: { type: 'string' }, owner: { model: 'user' } } },
}

/** The collections of the pet shop, on tables that are there already. */
export async function startPetShop(url) {
  const datastore = `shop${randomUUID()}`
  const orm = await promisify(Waterline.start)({
    adapters: { 'sails-postgresql': sailsPostgresql },
    datastores: { [datastore]: { adapter: 'sails-postgresql', url } },
    models,
    defaultModelSettings: { datastore, primaryKey: 'id' },
  })
  return orm.collections
}
