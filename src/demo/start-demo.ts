import type { Server } from 'node:http'
import { type Changefeed, createChangefeed } from '../changefeed.ts'
import type { Logger } from '../logger.ts'
import { createRealtime, type Realtime } from '../realtime/realtime.ts'
import { type DemoApp, loadWaterline, startApp, type WaterlinePackages } from './app.ts'
import { Closers } from './closers.ts'
import type { DemoDatabase } from './demo-database.ts'
import { feedModels, HIDDEN_ATTRIBUTES, JUNCTION, modelDefinitions, SHOWN_MODELS } from './models.ts'
import { openDemoDatabase } from './open-database.ts'
import { pageHandler } from './page-handler.ts'
import type { PageSettings } from './page-settings.ts'
import { RequestGuard } from './request-guard.ts'
import { ALONE_PATH, startSailsAlone } from './sails-alone.ts'
import { SqlRunner } from './sql-runner.ts'
import { createTables, emptyTables, seed, TABLES } from './tables.ts'
import { answerWith, closeServer, guard, listen, type WebServer } from './web-server.ts'
import { withClient } from './with-client.ts'

export interface DemoOptions {
  /** Port of the page. 0 selects a free port. */
  readonly port: number
  /** Data folder of the embedded Postgres. @default a temporary folder */
  readonly dataDir?: string | undefined
  /** URL of a server to use instead of the embedded one. */
  readonly databaseUrl?: string | undefined
  readonly logger: Logger
}

export interface Demo {
  readonly url: string
  /** Connection string of a role that may write the demo's tables. */
  readonly connectionString: string
  readonly database: DemoDatabase
  readonly tables: readonly string[]
  stop(): Promise<void>
}

/**
 * Starts a database, a small Waterline app, the change feed, and a page that shows them. If a step fails, everything started
 * before is stopped.
 */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const closers = new Closers()
  try {
    return await start(options, closers)
  } catch (error) {
    await closers.close().catch(() => {}) // the first error matters
    throw error
  }
}

async function start(options: DemoOptions, closers: Closers): Promise<Demo> {
  // Checks packages and the port before the slow steps.
  const packages = await loadWaterline()
  const web = await listen(options.port)
  closers.add(() => closeServer(web.server))
  const database = await openDemoDatabase({
    databaseUrl: options.databaseUrl,
    dataDir: options.dataDir,
    logger: options.logger,
  })
  closers.add(() => database.close())
  const app = await openApp(packages, database)
  closers.add(() => app.stop())
  await serve(web, { app, packages, database, logger: options.logger }, closers)
  return {
    url: `http://127.0.0.1:${web.port}`,
    connectionString: database.connectionString,
    database,
    tables: TABLES,
    stop: () => closers.close(),
  }
}

async function openApp(packages: WaterlinePackages, { connectionString, schema }: DemoDatabase): Promise<DemoApp> {
  const isNew = await withClient(connectionString, client => createTables(client, schema))
  const app = await startApp(packages, { connectionString, schema })
  try {
    if (isNew) await seedWith(app)
  } catch (error) {
    await app.stop()
    throw error
  }
  return app
}

const seedWith = ({ collections }: DemoApp) => seed(collections as Parameters<typeof seed>[0])

/** Restores the initial data. */
async function reset(app: DemoApp, { connectionString, schema }: DemoDatabase): Promise<void> {
  await withClient(connectionString, client => emptyTables(client, schema))
  await seedWith(app)
}

interface Served {
  readonly app: DemoApp
  readonly packages: WaterlinePackages
  readonly database: DemoDatabase
  readonly logger: Logger
}

async function serve({ server, port }: WebServer, served: Served, closers: Closers) {
  const { app, database } = served
  const requestGuard = new RequestGuard(port)
  const { openSqlBox } = database
  const pageUrl = await openSqlBox?.()
  const runner = openSqlBox && pageUrl !== undefined ? sqlRunner(database.connectionString, pageUrl, openSqlBox) : null
  if (runner) closers.add(() => runner.close())
  const settings = pageSettings(requestGuard, database, pageUrl)
  answerWith(server, await pageHandler({ requestGuard, runner, settings, reset: () => reset(app, database) }))
  const alone = await startSailsAlone({ server, requestGuard, ...served })
  const { realtime, feed } = createFeed(server, requestGuard, served)
  closers.add(() => realtime.close())
  closers.add(() => alone.close()) // closed first, because closing the HTTP server waits for all sockets
  guard(server, requestGuard)
  await feed.install()
  await feed.start()
  closers.add(() => feed.stop())
}

/** Creates the socket server and the feed that publishes to it. */
function createFeed(server: Server, requestGuard: RequestGuard, { app, database, logger }: Served) {
  const { collections } = app
  const realtime: Realtime = createRealtime({
    server,
    collections,
    models: { ...Object.fromEntries([...SHOWN_MODELS, JUNCTION].map(identity => [identity, true])), ...feedModels },
    feed: {
      cursor: () => feed.cursor(),
      snapshot: () => feed.snapshot(),
      catchUp: (socket, request) => feed.catchUp(socket, request),
    },
    // A page that reconnects before the feed runs is rejected and retries.
    beforeConnect: ({ headers }, proceed) => proceed(null, isUp(feed) && requestGuard.mayConnect(headers)),
    logger,
  })
  const { connectionString, feedSchema: schema } = database
  const { publisher } = realtime
  const feed = createChangefeed({ connectionString, collections, publisher, models: feedModels, schema, logger })
  return { realtime, feed }
}

const isUp = (feed: Changefeed) => ['running', 'reconnecting'].includes(feed.status().state)

const sqlRunner = (adminConnectionString: string, connectionString: string, restoreRole: () => Promise<string>) =>
  new SqlRunner({ connectionString, adminConnectionString, restoreRole })

function pageSettings(
  { token }: RequestGuard,
  { kind, schema }: DemoDatabase,
  pageUrl: string | undefined,
): PageSettings {
  return {
    models: SHOWN_MODELS.map(identity => ({
      identity,
      table: modelDefinitions[identity].tableName,
      ...(identity === 'account' && { hidden: HIDDEN_ATTRIBUTES }),
    })),
    links: JUNCTION,
    token,
    sql: pageUrl !== undefined,
    database: kind === 'embedded' ? 'Embedded Postgres, this demo only' : `Your own server, schema ${schema}`,
    psql: pageUrl === undefined ? `PGOPTIONS='-c search_path=${schema}' psql "$DATABASE_URL"` : `psql '${pageUrl}'`,
    alonePath: ALONE_PATH,
  }
}
