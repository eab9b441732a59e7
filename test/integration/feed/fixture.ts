import { type Changefeed, createChangefeed } from '../../../src/changefeed.ts'
import { migrateSchema } from '../../../src/db/migrate.ts'
import type { ChangefeedOptions } from '../../../src/options.ts'
import type { MessageMeta, RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { copiedDatabase, type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { afterScope } from '../../helpers/scope.ts'
import { type Orm, startWaterline, type WaterlineOptions } from '../../helpers/waterline.ts'

export const petShop = {
  user: {
    attributes: {
      name: { type: 'string' },
      password: { type: 'string' },
      pets: { collection: 'pet', via: 'owner' },
    },
  },
  pet: { attributes: { name: { type: 'string' }, owner: { model: 'user' } } },
}

export interface Published {
  readonly event: RecordEvent
  readonly meta: MessageMeta
}

export interface Shop {
  readonly database: TestDatabase
  readonly collections: Orm['collections']
  /** A feed on this database that publishes into `published`; neither installed nor started. */
  feed(options?: Partial<ChangefeedOptions>): Changefeed
  readonly published: Published[]
}

/** A database with our schema, so that `install` only creates triggers. For tests that are about neither. */
export const migratedDatabase = () =>
  copiedDatabase('changefeed', async connectionString => {
    await migrateSchema({ connectionString, applicationName: 'test' }, 'changefeed')
  })

/** As `openShop`, on a `migratedDatabase`. */
export const openMigratedShop = async (app: Partial<WaterlineOptions> = {}) => openShop(await migratedDatabase(), app)

/** As `openShop`, with everything installed. For tests that are not about that. */
export const openInstalledShop = async () => openShop(await installedDatabase(), { migrate: 'safe' })

const installedDatabase = () =>
  copiedDatabase('pet shop', async connectionString => {
    const { collections, stop } = await startWaterline({ models: petShop, migrate: 'drop', connectionString })
    await createChangefeed({ connectionString, collections }).install()
    await stop()
  })

/** A real Waterline app on a separate database, with the models of the pet shop unless `app` has others. */
export async function openShop(database?: TestDatabase, app: Partial<WaterlineOptions> = {}): Promise<Shop> {
  const own = database ?? (await testDatabase())
  const { connectionString } = own
  const { collections } = await startWaterline({ models: petShop, migrate: 'drop', ...app, connectionString })
  const published: Published[] = []
  const publisher = { publish: (event: RecordEvent, meta: MessageMeta) => void published.push({ event, meta }) }
  const feed = (options: Partial<ChangefeedOptions> = {}) => {
    const made = createChangefeed({ connectionString, collections, publisher, ...options })
    afterScope(() => made.stop())
    return made
  }
  return { database: own, collections, feed, published }
}

/** `updated pet 7`, for each event. */
export const summary = (published: readonly Published[]) =>
  published.map(({ event }) => `${event.verb} ${event.identity}${'id' in event ? ` ${event.id}` : ''}`)
