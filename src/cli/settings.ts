import { resolve } from 'node:path'
import type { Server } from 'socket.io'
import { z } from 'zod'
import { ChangefeedError } from '../errors.ts'
import type { ChangefeedOptions } from '../options.ts'
import { parseBySchema } from '../parse-by-schema.ts'
import type { RealtimeOptions } from '../realtime/realtime-options.ts'
import type { ConfigFile } from './config-file.ts'
import { LOG_LEVELS } from './log-level.ts'

/** The argument of `io.adapter(...)` in socket.io. */
export type AdapterFactory = Parameters<Server['adapter']>[0]

/**
 * The settings of the program: the default export of `changefeed.config.mjs`. Flags and environment variables take
 * precedence. May also contain the options of `createChangefeed()`, which validates them.
 *
 * @example
 * export default { app: '.', models: { user: { omit: ['password'] } }, redisUrl: 'redis://127.0.0.1' }
 */
export interface ConfigFileSettings extends Partial<Omit<ChangefeedOptions, 'logger' | 'io' | 'publisher'>> {
  /** Folder of a Sails app. Provides its models and, unless set here, its database and socket.io adapter. */
  app?: string
  /** Definitions of Waterline models by identity, as in a Sails app's api/models. */
  definitions?: Record<string, object>
  /** `ontology.collections` of an initialised Waterline, or a function that returns it or a promise of it. */
  collections?: ChangefeedOptions['collections'] | (() => object | Promise<object>)
  /** A Redis server that the app's sockets share through @socket.io/redis-adapter. */
  redisUrl?: string
  /** Prefix of the adapter's channels, as configured in the app. @default 'socket.io' */
  channelPrefix?: string
  /** Another adapter shared by the app's servers, as for `io.adapter()`; `postgres` for @socket.io/postgres-adapter. */
  adapter?: 'postgres' | AdapterFactory
  /** Port of health checks, metrics and the status page; false to disable them. @default 9464 */
  httpPort?: number | false
  httpHost?: string
  /** Required by the status page and /metrics. Mandatory if `httpHost` is not a loopback address. */
  token?: string
  /** Serves sockets from this process with `createRealtime()`, instead of publishing to those of the app. */
  serve?: boolean | ServeSettings
  /** Port of the served sockets. @default 1337 */
  port?: number
  host?: string
  /** Maximum lag before /readyz fails, in milliseconds. @default 30_000 */
  readyLagMs?: number
  logLevel?: (typeof LOG_LEVELS)[number]
}

/** Options of `createRealtime()` except those that the program sets. */
export type ServeSettings = Partial<Omit<RealtimeOptions, 'collections' | 'feed' | 'io' | 'server' | 'logger'>>

const port = z.coerce
  .number('must be a number')
  .int('must be a whole number')
  .min(0, 'must be 0 or more')
  .max(65_535, 'must be below 65536')

export const definition = z.object({
  connectionString: z
    .string('must be a Postgres URL')
    .regex(/^postgres(ql)?:\/\//, 'must be a Postgres URL such as postgres://user:password@host:5432/database')
    .optional(),
  schema: z.string('must be the name of a Postgres schema').min(1, 'must not be empty').default('changefeed'),
  models: z.unknown().optional(),
  app: z.string('must be the path of a folder').min(1, 'must be the path of a folder').optional(),
  definitions: z.record(z.string(), z.custom<object>(isObject, 'must be a model definition')).optional(),
  collections: z
    .custom<object>(
      value => isObject(value) || typeof value === 'function',
      'must be ontology.collections of an initialised Waterline, or a function that returns it',
    )
    .optional(),
  redisUrl: z
    .string('must be a Redis URL')
    .regex(/^rediss?:\/\//, 'must be a Redis URL such as redis://127.0.0.1:6379')
    .optional(),
  channelPrefix: z.string('must be a text').min(1, 'must not be empty').optional(),
  adapter: z
    .custom<'postgres' | AdapterFactory>(
      value => value === 'postgres' || typeof value === 'function',
      "must be 'postgres', or an adapter function such as createAdapter(...) returns",
    )
    .optional(),
  httpPort: z
    .preprocess(
      value => (value === 'off' ? false : value),
      z.union([z.literal(false), port], "must be a port, or 'off'"),
    )
    .default(9464),
  httpHost: z.string('must be a host name or address').min(1, 'must not be empty').default('127.0.0.1'),
  token: z
    .string('must be a text')
    .min(16, 'must have 16 characters or more, such as `openssl rand -hex 16` prints')
    .optional(),
  serve: z
    .union(
      [z.boolean(), z.custom<ServeSettings>(isObject)],
      'must be true, or an object such as { models: { user: true } }',
    )
    .default(false),
  port: port.default(1337),
  host: z.string('must be a host name or address').min(1, 'must not be empty').default('127.0.0.1'),
  readyLagMs: z.coerce.number('must be a number of milliseconds').positive('must be above 0').default(30_000),
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
})

export type ProgramSettings = z.infer<typeof definition> & {
  /** The models selected by a flag or variable. */
  readonly only: readonly string[] | undefined
  /** The remaining settings of the config file: options of the feed. */
  readonly feed: Partial<ChangefeedOptions>
  readonly configPath: string | null
  /** The common flags from the command line, each followed by its value, without URLs. */
  readonly commonFlags: readonly string[]
  /** Whether the output is for a program. */
  readonly json: boolean
}

export type SettingName = keyof typeof definition.shape

/** A value with its flag or variable. */
export interface Given {
  readonly value: unknown
  /** As users know it: `--schema`, `CHANGEFEED_SCHEMA`. */
  readonly from: string
}

const OWN_IN_FILE = new Set<string>([...Object.keys(definition.shape)])
export const OF_THE_FEED = new Set([
  ...['publish', 'retentionMs', 'backlogLimitBytes', 'noopUpdates', 'capture', 'lockTimeoutMs', 'maxBufferedBytes'],
  ...['originTag', 'populate', 'compatibility', 'schemaOwner', 'connection'],
])

/** Throws `E_OPTIONS`, with the source of each invalid value and the requirement. */
export function resolveSettings(
  given: ReadonlyMap<SettingName, Given>,
  file: ConfigFile | null,
  { commonFlags = [], json = false }: Partial<Pick<ProgramSettings, 'commonFlags' | 'json'>> = {},
): ProgramSettings {
  const content = contentOf(file)
  const own = Object.fromEntries(Object.entries(content).filter(([name]) => OWN_IN_FILE.has(name)))
  const merged: Record<string, unknown> = { ...own }
  const only = given.get('models')?.value as readonly string[] | undefined
  for (const [name, { value }] of given)
    if (name !== 'models') merged[name] = name === 'serve' && value === true ? own.serve || value : value
  const parsed = parseBySchema(definition, merged, { describe: issue => describe(issue, given, file) })
  const feed = Object.fromEntries(Object.entries(content).filter(([name]) => OF_THE_FEED.has(name)))
  const settings = withAbsolutePaths(parsed, given, file)
  return checkTogether({ ...settings, only, feed, configPath: file?.path ?? null, commonFlags, json })
}

function contentOf(file: ConfigFile | null): Record<string, unknown> {
  if (!file) return {}
  if (!isObject(file.content)) {
    throw new ChangefeedError('E_OPTIONS', `${file.path} exports no object: use \`export default { app: '.' }\`.`)
  }
  const known = [...OWN_IN_FILE, ...OF_THE_FEED]
  const unknown = Object.keys(file.content).find(name => !known.includes(name))
  if (unknown !== undefined) {
    throw new ChangefeedError(
      'E_OPTIONS',
      `Unknown setting \`${unknown}\` (${file.path}). Known settings: ${known.join(', ')}.`,
    )
  }
  return file.content as Record<string, unknown>
}

function describe(
  { path, message }: z.core.$ZodIssue,
  given: ReadonlyMap<SettingName, Given>,
  file: ConfigFile | null,
) {
  const from = given.get(path[0] as SettingName)?.from
  return from ? `${from} ${message}.` : `Setting \`${path.join('.')}\` ${message} (${file?.path}).`
}

/** Paths in the file are relative to the file, those on the command line to the current folder. */
function withAbsolutePaths<T extends { app?: string | undefined }>(
  settings: T,
  given: ReadonlyMap<SettingName, Given>,
  file: ConfigFile | null,
): T {
  if (settings.app === undefined) return settings
  return { ...settings, app: resolve(given.has('app') || !file ? process.cwd() : file.folder, settings.app) }
}

function checkTogether(settings: ProgramSettings): ProgramSettings {
  const { redisUrl, adapter, token, httpHost, httpPort, serve, definitions } = settings
  if (serve && definitions && !settings.collections) {
    throw new ChangefeedError(
      'E_OPTIONS',
      'Serving sockets requires models with a database connection: use a Sails app, or export `collections` instead of `definitions`.',
    )
  }
  if (redisUrl !== undefined && adapter !== undefined) {
    throw new ChangefeedError('E_OPTIONS', 'Both `redisUrl` and `adapter` are set: set only the one that the app uses.')
  }
  if (httpPort !== false && token === undefined && !isLoopback(httpHost)) {
    throw new ChangefeedError(
      'E_OPTIONS',
      `The status page would be open to everyone at ${httpHost}: set CHANGEFEED_TOKEN, keep --http-host at 127.0.0.1, or disable it with --http-port off.`,
    )
  }
  return Object.freeze(settings)
}

export const isLoopback = (host: string) => /^(127(\.\d+){3}|localhost|::1)$/.test(host)

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
