import type { Server } from 'socket.io'
import { z } from 'zod'
import type { AddressParts, ServerAddress } from './db/connect.ts'
import { ChangefeedError } from './errors.ts'
import { type Logger, silentLogger } from './logger.ts'
import type { ModelOptions, ModelSelection } from './models/selection.ts'
import { describeOption, parseBySchema } from './parse-by-schema.ts'
import { commandFormatter, type FormatCommand } from './printed-command.ts'
import {
  type CatchUpOptions,
  type CatchUpSettings,
  catchUpOption,
  schema as catchUpSchema,
} from './publish/catch-up-options.ts'
import type { Publisher } from './publish/publisher.ts'
import { DEFAULT_MAX_BUFFERED_BYTES } from './publish/socketio/client-buffers.ts'

export interface ChangefeedOptions {
  /** Postgres URL of the primary, `postgres://user:password@host:5432/database`. Required without `connection`. */
  connectionString?: string
  /** Address of the primary in parts instead of a URL: `{ host, port, user, password, database, ssl }`. */
  connection?: AddressParts
  /** Waterline's models: `ontology.collections` of an initialised Waterline, or `sails.models`. */
  collections: object
  /** The socket.io server to publish to. Set one of `io` and `publisher`, or neither to use only the events. */
  io?: Server
  /** A custom publisher instead of `io`. */
  publisher?: Publisher
  /**
   * The models to capture: a list of identities, or settings by identity (`false` excludes a model, all others are
   * included).
   * @default all models of a Postgres datastore
   */
  models?: readonly string[] | Readonly<Record<string, boolean | ModelOptions>>
  /** Name of our own Postgres schema. @default 'changefeed' */
  schema?: string
  /**
   * The role that owns that schema, if the connecting role is neither its owner, nor a member of the owner, nor a
   * superuser. Its code runs with the privileges of the connecting role, so it must be trusted.
   * @default trust only the connecting role, the roles that it is a member of, and superusers
   */
  schemaOwner?: string
  /**
   * Which process publishes if several run a feed: each to its own sockets (`local`), or only the leader, through the
   * cluster adapter of `io` (`leader`). @default 'auto': `local` with socket.io's in-memory adapter
   */
  publish?: 'auto' | 'local' | 'leader'
  /** How long the change log keeps published changes for reconnecting clients, in milliseconds. @default 900_000 */
  retentionMs?: number
  /** How sockets that return receive what they missed; `false`: they do not. @default all of its defaults */
  catchUp?: false | CatchUpOptions
  /**
   * Size of the change log in bytes above which unpublished changes are dropped: a gap is declared, and clients receive
   * `refetch`. @default 4 GiB
   */
  backlogLimitBytes?: number
  /** Whether an UPDATE without changes is published, as a blueprint would. @default 'publish' */
  noopUpdates?: 'publish' | 'ignore'
  /**
   * Whether triggers fire for each row, or for each statement: cheaper for statements that change many rows, dearer for
   * many small ones in a transaction. @default 'row'
   */
  capture?: 'row' | 'statement'
  /**
   * Whether associated records of models of the feed are read and included in the record of `created` messages and in
   * `previous`, as in blueprints. @default false
   */
  populate?: boolean
  /**
   * Whether `updated.data` has the format of blueprints: column names instead of attribute names, JSON arrays as text.
   * @default false
   */
  compatibility?: boolean
  /** How long `install()` waits for a lock on a table of the app, in milliseconds. @default 5_000 */
  lockTimeoutMs?: number
  /**
   * Whether the origin is also read from each writing statement, for clients that cannot use `set local
   * changefeed.origin`: the comment `/*changefeed:origin=TOKEN*\/` at its start or end. @default false
   */
  originTag?: boolean
  /**
   * Maximum number of bytes buffered for a client of `io` that reads too slowly. The feed first slows down for such
   * clients; a client above the limit is disconnected. @default 16 MiB
   */
  maxBufferedBytes?: number
  /**
   * Completes a subcommand, such as `install`, to the command line in messages, if users do not run it with `npx`:
   * `command => `docker compose run app npx waterline-changefeed ${command}``.
   * @default `npx waterline-changefeed`, with `NODE_ENV` and `--schema` if needed
   */
  formatCommand?: FormatCommand
  /** The logger of the feed. @default no logging */
  logger?: Logger
}

/** The options of a feed with typed records: `models` has the record type of each model. */
export interface TypedChangefeedOptions<Records extends object> extends Omit<ChangefeedOptions, 'models'> {
  models?: readonly string[] | TypedModels<Records>
}

/** For models without a type, only settings that do not depend on it, such as `false` to exclude one. */
type TypedModels<Records extends object> = {
  readonly [Identity in keyof Records & string]?: boolean | ModelOptions<Records[Identity]>
} & Readonly<Record<string, boolean | ModelOptions<never>>>

/** Converts an address to the corresponding option. */
export const addressOption = (address: ServerAddress): Pick<ChangefeedOptions, 'connectionString' | 'connection'> =>
  'connectionString' in address ? address : { connection: address }

/** The options including all defaults. */
export interface Settings
  extends Required<
    Omit<
      ChangefeedOptions,
      'connectionString' | 'connection' | 'io' | 'publisher' | 'models' | 'schemaOwner' | 'catchUp'
    >
  > {
  readonly catchUp: false | CatchUpSettings
  readonly connection: ServerAddress
  readonly schemaOwner: string | undefined
  readonly io: Server | undefined
  readonly publisher: Publisher | undefined
  /** Excluded identities, and settings of the included ones. `only` is the list, if there is one. */
  readonly models: ModelSelection
}

const DEFAULT_SCHEMA = 'changefeed'

const noopUpdates = z.enum(['publish', 'ignore'], "must be 'publish' or 'ignore'")

const capture = z.enum(['row', 'statement'], "must be 'row' or 'statement'")

const attributeNames = z.array(z.string(), 'must be a list of attribute names').readonly()

const modelOptions = z
  .strictObject(
    {
      omit: attributeNames,
      include: attributeNames,
      noopUpdates,
      capture,
      rooms: z.custom<ModelOptions['rooms']>(
        value => typeof value === 'function',
        'must be a function that returns a room, or a list of rooms',
      ),
    },
    'must be true, false, or an object such as { omit: [...] }',
  )
  .partial()

const hasMethods =
  (...names: string[]) =>
  (value: unknown) =>
    typeof value === 'object' && value !== null && names.every(name => typeof Reflect.get(value, name) === 'function')

const duration = z.int('must be a whole number of milliseconds').positive('must be above 0')

export const schema = z.strictObject({
  connectionString: z
    .string('is required: a Postgres URL such as postgres://user:password@host:5432/database')
    .regex(/^postgres(ql)?:\/\//, 'must be a Postgres URL that begins with postgres:// or postgresql://'),
  connection: z.undefined().optional(),
  collections: z.custom<object>(
    value => typeof value === 'object' && value !== null,
    'is required: ontology.collections of an initialised Waterline, or sails.models',
  ),
  io: z.custom<Server>(hasMethods('to', 'emit', 'of'), 'must be a socket.io Server').optional(),
  publisher: z.custom<Publisher>(hasMethods('publish'), 'must have a publish function').optional(),
  models: z
    .union(
      [z.array(z.string()).readonly(), z.record(z.string(), z.union([z.boolean(), modelOptions])).readonly()],
      'must be a list of model identities, or settings by identity such as { user: { omit: ["password"] }, log: false }',
    )
    .refine(
      models => !Array.isArray(models) || models.length > 0,
      'must name a model. Without it all models are captured',
    )
    .optional(),
  schema: z
    .string('must be the name of a Postgres schema')
    .min(1, 'must not be empty')
    .refine(name => Buffer.byteLength(name) < 64 && !name.includes('\0'), 'must be shorter than 64 bytes')
    .refine(name => !/^(pg_|public$)/.test(name), 'must be a dedicated schema: not public, not pg_...')
    .default(DEFAULT_SCHEMA),
  schemaOwner: z.string('must be the name of a role').min(1, 'must not be empty').optional(),
  publish: z.enum(['auto', 'local', 'leader'], "must be 'auto', 'local' or 'leader'").default('auto'),
  retentionMs: duration.default(15 * 60_000),
  backlogLimitBytes: z
    .int('must be a whole number of bytes')
    .positive('must be above 0')
    .default(4 * 2 ** 30),
  catchUp: catchUpOption,
  noopUpdates: noopUpdates.default('publish'),
  capture: capture.default('row'),
  populate: z.boolean('must be true or false').default(false),
  compatibility: z.boolean('must be true or false').default(false),
  lockTimeoutMs: duration.default(5_000),
  originTag: z.boolean('must be true or false').default(false),
  maxBufferedBytes: z
    .int('must be a whole number of bytes')
    .positive('must be above 0')
    .default(DEFAULT_MAX_BUFFERED_BYTES),
  formatCommand: z.custom<FormatCommand>(value => typeof value === 'function', 'must be a function').optional(),
  logger: z
    .custom<Logger>(hasMethods('error', 'warn', 'info', 'debug'), 'must have error, warn, info and debug functions')
    .default(silentLogger),
})

const schemaWithParts = schema.extend({
  connectionString: z.undefined('must not be set beside `connection`').optional(),
  connection: z.custom<AddressParts>(hasHost, 'must have a host: { host, port, user, password, database, ssl }'),
})

function hasHost(value: unknown): value is AddressParts {
  return typeof value === 'object' && value !== null && typeof (value as Partial<AddressParts>).host === 'string'
}

/** Throws `E_OPTIONS`, with each invalid option and its requirement. */
export function parseOptions(options: ChangefeedOptions): Settings {
  const fitting = options?.connection === undefined ? schema : schemaWithParts
  const parsed = parseBySchema(fitting, options, { describe })
  const { models, io, publisher, schemaOwner, connectionString, connection, ...rest } = parsed
  if (io && publisher) {
    throw new ChangefeedError('E_OPTIONS', 'Options `publisher` and `io` exclude each other: pass one of them.')
  }
  const address = connection ?? { connectionString: connectionString as string } // the schema asks for one of them
  const flags = rest.schema === DEFAULT_SCHEMA ? [] : ['--schema', rest.schema]
  const formatCommand = rest.formatCommand ?? commandFormatter({ flags })
  return Object.freeze({
    ...rest,
    formatCommand,
    connection: address,
    io,
    publisher,
    schemaOwner,
    models: selectionOf(models),
  })
}

function describe(issue: z.core.$ZodIssue): string {
  const known = issue.code === 'unrecognized_keys' && KNOWN[issue.path.join('.')]
  return known
    ? `${describeOption(issue)} Known options: ${Object.keys(known.shape).join(', ')}.`
    : describeOption(issue)
}

/** By path. */
const KNOWN: Readonly<Record<string, z.ZodObject>> = { '': schema, catchUp: catchUpSchema }

function selectionOf(models: z.infer<typeof schema>['models']): ModelSelection {
  const lower = (identity: string) => identity.toLowerCase()
  if (models === undefined) return { only: null, except: new Set(), options: new Map() }
  if (Array.isArray(models)) return { only: new Set(models.map(lower)), except: new Set(), options: new Map() }
  const entries = Object.entries(models as Record<string, boolean | ModelOptions>)
  return {
    only: null,
    except: new Set(entries.filter(([, value]) => value === false).map(([identity]) => lower(identity))),
    options: new Map(
      entries.flatMap(([identity, value]) => {
        if (value === false) return []
        return [[lower(identity), value === true ? {} : value] as const]
      }),
    ),
  }
}
