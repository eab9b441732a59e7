import pg from 'pg'
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
export const openInstalledShop = async () => openShop(await installedDatabase('pet shop', petShop), { migrate: 'safe' })

interface Installed extends Partial<ChangefeedOptions> {
  /** Statements that insert rows, which are not logged. */
  readonly rows?: string
}

/** A database with the tables and triggers of these models, made once for all test files. */
export const installedDatabase = (name: string, models: WaterlineOptions['models'], options: Installed = {}) =>
  copiedDatabase(name, async connectionString => {
    const { rows = '', ...ofFeed } = options
    const { collections, stop } = await startWaterline({ models, migrate: 'drop', connectionString })
    await insert(connectionString, rows)
    await createChangefeed({ connectionString, collections, ...ofFeed }).install()
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

async function insert(connectionString: string, rows: string) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query(rows)
  await client.end()
}

/** `updated pet 7`, for each event. */
export const summary = (published: readonly Published[]) =>
  published.map(({ event }) => `${event.verb} ${event.identity}${'id' in event ? ` ${event.id}` : ''}`)
