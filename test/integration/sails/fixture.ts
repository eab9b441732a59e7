import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { copiedDatabase, type TestDatabase, testDatabase } from '../../helpers/database.ts'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startProgram, type TestProgram } from '../../helpers/program.ts'
import { connectSailsClient, type SailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { migratedDatabase } from '../feed/fixture.ts'

const require = createRequire(import.meta.url)
interface AppModule {
  lift(options: object): Promise<LiftedApp>
  lower(app: LiftedApp): Promise<void>
  freePort(): Promise<number>
  readonly models: Readonly<Record<string, object>>
}

const { freePort, lift, lower, models } = require('./app.cjs') as AppModule

export { freePort, models }

/** The hook as Sails requires it. */
export const HOOK = fileURLToPath(built('sails/hook.cjs'))

/** What the tests use of a lifted app. */
export interface LiftedApp {
  // biome-ignore lint/suspicious/noExplicitAny: Sails has no types
  readonly config: { readonly port: number; readonly [setting: string]: any }
  // biome-ignore lint/suspicious/noExplicitAny: Sails has no types
  readonly [part: string]: any
}

export interface AppOptions {
  /** False lifts the app without the hook. */
  readonly hook?: false
  /** `sails.config.changefeed`. */
  readonly changefeed?: unknown
  readonly config?: {
    readonly datastore?: object
    readonly models?: object
    readonly definitions?: object
    /** Definitions that are read from files, as plain data. */
    readonly onDisk?: object
    /** URL of a datastore `second`. */
    readonly second?: string
    /** Adds a datastore `disk` of another kind. */
    readonly disk?: boolean
  }
  /** Laid over the rest of the config. */
  readonly more?: object
}

export interface TestApp {
  readonly app: LiftedApp
  readonly port: number
  readonly database: TestDatabase
  connect(): Promise<SailsClient>
  /** Resolves when everything that was committed before has been published and has arrived. */
  settled(...clients: SailsClient[]): Promise<void>
  lower(): Promise<void>
}

/**
 * Lifts the app in this process, on a database of its own unless one is given; it holds our schema where the app has the
 * hook. Lowered at the end of the test or file.
 */
export async function liftApp(options: AppOptions = {}, given?: TestDatabase): Promise<TestApp> {
  if (!given && isUsual(options)) return await liftApp(installed(options), await installedDatabase())
  const { hook, ...rest } = options
  const database = given ?? (await (hook === false ? testDatabase() : migratedDatabase()))
  const app = await lift({ url: database.connectionString, ...rest, ...(hook !== false && { hook: HOOK }) })
  const port = app.hooks.http.server.address().port
  let lowered: Promise<void> | undefined
  const lowerOnce = () => (lowered ??= lower(app))
  afterScope(lowerOnce)
  return {
    app,
    port,
    database,
    connect: () => connectSailsClient({ port }),
    async settled(...clients) {
      await app.hooks.changefeed?.settled()
      await arrived(app, clients)
    },
    lower: lowerOnce,
  }
}

/** Whether the tables and triggers are those of the database that is copied. */
const isUsual = ({ hook, changefeed = {}, config, more = {} }: AppOptions) =>
  hook !== false && !config && !('hooks' in more) && isOfMessages(changefeed)

const isOfMessages = (changefeed: unknown) =>
  typeof changefeed === 'object' &&
  Object.keys(changefeed ?? {}).every(name => ['blueprints', 'compatibility', 'populate'].includes(name))

const installed = ({ changefeed = {}, ...options }: AppOptions): AppOptions => ({
  ...options,
  config: { models: { migrate: 'safe' } },
  changefeed: { ...(changefeed as object), install: true },
})

/** The feed must not start in a database that is copied: the hook of an app with a separate listener only installs. */
const installedDatabase = () =>
  copiedDatabase('Sails app', async url => {
    const app = await lift({ url, hook: HOOK, changefeed: { listener: 'separate', install: true } })
    await lower(app)
  })

/** A message to all, after those that were sent before it. */
async function arrived(app: LiftedApp, clients: readonly SailsClient[]) {
  const mark = `mark ${++marks}`
  app.sockets.blast('mark', { mark })
  await Promise.all(clients.map(client => client.messages.next('mark', ({ data }) => data.mark === mark)))
}

let marks = 0

/** Lifts the app in a process of its own. Killed at the end of the test or file. */
export async function startApp(
  database: TestDatabase,
  options: AppOptions & { readonly adapter?: string; readonly redis?: string } = {},
): Promise<{ program: TestProgram; port: number }> {
  const { hook: _, ...rest } = options
  const folder = await scratchFolder() // it may be killed before it can clean up
  const APP = JSON.stringify({ url: database.connectionString, hook: HOOK, folder, ...rest })
  const program = startProgram(process.execPath, [require.resolve('./process.cjs')], { APP })
  const line = await program.line(/^(lifted on port|not lifted)/, 30_000)
  const port = /^lifted on port (\d+)$/.exec(line)?.[1]
  if (port === undefined) throw new Error(program.lines.join('\n'))
  return { program, port: Number(port) }
}

/** The messages about records, as `pet updated 1`, `owner addedTo 1 pets 2`. */
export function summary(client: SailsClient): string[] {
  return client.messages.all.flatMap(({ event, data }) => {
    if (event === 'mark') return []
    const { verb, id, attribute, addedId, removedId } = data
    return [[event, verb, id, attribute, addedId ?? removedId].filter(part => part !== undefined).join(' ')]
  })
}
