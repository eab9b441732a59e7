import type { Server } from 'socket.io'
import { z } from 'zod'
import type { AddressParts, ServerAddress } from './db/connect.ts'
import { ChangefeedError } from './errors.ts'
import { type Logger, silentLogger } from './logger.ts'
import type { ModelOptions, ModelSelection } from './models/selection.ts'
import { describeOption, parseBySchema } from './parse-by-schema.ts'
import { commandFormatter, type FormatCommand } from './printed-command.ts'
import type { Publisher } from './publish/publisher.ts'
import { DEFAULT_MAX_BUFFERED_BYTES } from './publish/socketio/client-buffers.ts'

export interface ChangefeedOptions {
  /** Postgres URL of the primary, `postgres://user:password@host:5432/database`. Required without `connection`. */
  connectionString?: string
  /** The primary in parts instead of a URL: `{ host, port, user, password, database, ssl }`. */
  connection?: AddressParts
  /** Waterline's models: `ontology.collections` of an initialised Waterline, or `sails.models`. */
  collections: object
  /** The socket.io server whose sockets are told. One of `io` and `publisher`, or neither to use the events alone. */
  io?: Server
  /** Publishes instead of `io`. */
  publisher?: Publisher
  /**
   * Which models: their identities, or settings by identity (`false` leaves one out, the others are all in).
   * @default all models of a Postgres datastore
   */
  models?: readonly string[] | Readonly<Record<string, boolean | ModelOptions>>
  /** Name of our own Postgres schema. @default 'changefeed' */
  schema?: string
  /**
   * Role that owns that schema, where the connecting role is neither it nor a member of it, and it is no superuser. Its
   * code runs with the rights of the connecting role: name one that you trust.
   * @default trust in the connecting role, the roles that it is a member of, and superusers alone
   */
  schemaOwner?: string
  /**
   * Who publishes where several processes run a feed: each to its own sockets (`local`), or the leader alone, through
   * the cluster adapter of `io` (`leader`). @default 'auto': `local` with socket.io's in-memory adapter
   */
  publish?: 'auto' | 'local' | 'leader'
  /** How long the change log keeps what was published, for clients that come back, in milliseconds. @default 900_000 */
  retentionMs?: number
  /**
   * Size of the change log, in bytes, at which changes that could not be published are given up: a gap is declared and
   * the clients are told to read again. @default 4 GiB
   */
  backlogLimitBytes?: number
  /** Whether an UPDATE that changes nothing is published, as a blueprint would. @default 'publish' */
  noopUpdates?: 'publish' | 'ignore'
  /**
   * Whether the associated records are read again and put into the record of `created` messages and into `previous`, as
   * blueprints do. @default false
   */
  populate?: boolean
  /**
   * Whether `updated.data` is as blueprints send it: by column name instead of attribute name, JSON arrays as text.
   * @default false
   */
  compatibility?: boolean
  /** How long `install()` may wait for the lock on a table of the app, in milliseconds. @default 5_000 */
  lockTimeoutMs?: number
  /**
   * Whether an origin is looked for in each writing statement as well, where `set local changefeed.origin` cannot be used:
   * `/*changefeed:origin=TOKEN*\/` at its very start or end. @default false
   */
  originTag?: boolean
  /**
   * What may wait for one client of `io` that reads more slowly than it is sent, in bytes. The feed waits a little for such
   * clients; one above this is disconnected. @default 16 MiB
   */
  maxBufferedBytes?: number
  /**
   * Completes a command of ours, such as `install`, to the line that messages tell your users to run, where `npx` is not
   * the way: `command => `docker compose run app npx waterline-changefeed ${command}``.
   * @default `npx waterline-changefeed`, with `NODE_ENV` and `--schema` where they are needed
   */
  formatCommand?: FormatCommand
  /** Where the feed logs. @default nowhere */
  logger?: Logger
}

/** The options of a feed with typed records: `models` knows the type of each model's record. */
export interface TypedChangefeedOptions<Records extends object> extends Omit<ChangefeedOptions, 'models'> {
  models?: readonly string[] | TypedModels<Records>
}

/** Of models without a type only what does not depend on it can be set, as `false` for one that is left out. */
type TypedModels<Records extends object> = {
  readonly [Identity in keyof Records & string]?: boolean | ModelOptions<Records[Identity]>
} & Readonly<Record<string, boolean | ModelOptions<never>>>

/** As the option that it fits. */
export const addressOption = (address: ServerAddress): Pick<ChangefeedOptions, 'connectionString' | 'connection'> =>
  'connectionString' in address ? address : { connection: address }

/** The options with every default in place. */
export interface Settings
  extends Required<
    Omit<ChangefeedOptions, 'connectionString' | 'connection' | 'io' | 'publisher' | 'models' | 'schemaOwner'>
  > {
  readonly connection: ServerAddress
  readonly schemaOwner: string | undefined
  readonly io: Server | undefined
  readonly publisher: Publisher | undefined
  /** Identities that are left out, and settings of those that are in. `only` is the list, where there is one. */
  readonly models: ModelSelection
}

const DEFAULT_SCHEMA = 'changefeed'

const noopUpdates = z.enum(['publish', 'ignore'], "must be 'publish' or 'ignore'")

const attributeNames = z.array(z.string(), 'must be a list of attribute names').readonly()

const modelOptions = z
  .strictObject(
    {
      omit: attributeNames,
      include: attributeNames,
      noopUpdates,
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
    .optional(),
  schema: z
    .string('must be the name of a Postgres schema')
    .min(1, 'must not be empty')
    .refine(name => Buffer.byteLength(name) < 64 && !name.includes('\0'), 'must be shorter than 64 bytes')
    .refine(name => !/^(pg_|public$)/.test(name), 'must be a schema of its own: not public, not pg_...')
    .default(DEFAULT_SCHEMA),
  schemaOwner: z.string('must be the name of a role').min(1, 'must not be empty').optional(),
  publish: z.enum(['auto', 'local', 'leader'], "must be 'auto', 'local' or 'leader'").default('auto'),
  retentionMs: duration.default(15 * 60_000),
  backlogLimitBytes: z
    .int('must be a whole number of bytes')
    .positive('must be above 0')
    .default(4 * 2 ** 30),
  noopUpdates: noopUpdates.default('publish'),
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

/** Throws `E_OPTIONS`, naming each option that does not fit and what it must be. */
export function parseOptions(options: ChangefeedOptions): Settings {
  const fitting = options?.connection === undefined ? schema : schemaWithParts
  const parsed = parseBySchema(fitting, options, { describe })
  const { models, io, publisher, schemaOwner, connectionString, connection, ...rest } = parsed
  if (io && publisher) {
    throw new ChangefeedError('E_OPTIONS', 'Option `publisher` takes the place of `io`: pass one of them.')
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
  const known = issue.code === 'unrecognized_keys' ? ` Known options: ${Object.keys(schema.shape).join(', ')}.` : ''
  return describeOption(issue) + known
}

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
