import { z } from 'zod'
import type { ServerAddress } from '../../db/connect.ts'
import { ChangefeedError } from '../../errors.ts'
import type { ModelOptions } from '../../models/selection.ts'
import type { ChangefeedOptions } from '../../options.ts'
import { parseBySchema } from '../../parse-by-schema.ts'
import { fromText } from './text-settings.ts'

/** `sails.config.changefeed`. */
export interface SailsChangefeedConfig
  extends Partial<
    Pick<
      ChangefeedOptions,
      | 'backlogLimitBytes'
      | 'capture'
      | 'catchUp'
      | 'connection'
      | 'connectionString'
      | 'lockTimeoutMs'
      | 'maxBufferedBytes'
      | 'models'
      | 'compatibility'
      | 'noopUpdates'
      | 'populate'
      | 'publish'
      | 'retentionMs'
      | 'schema'
      | 'schemaOwner'
    >
  > {
  /**
   * Whether to install capture on the tables at lift. `auto`: if `migrate` is `drop` or `alter`, but never in production.
   * Otherwise missing parts are logged.
   * @default 'auto'
   */
  install?: 'auto' | boolean
  /**
   * `keep`: blueprints publish as they do without the feed, and the feed publishes all other changes. `replace`: only the
   * feed publishes, in commit order.
   * @default 'keep'
   */
  blueprints?: 'keep' | 'replace'
  /**
   * With `keep`: time in milliseconds within which a message of the app and one of the feed about the same change are
   * treated as duplicates, if the write is not attributed to a request (jobs, connections that cannot be tagged).
   * @default 0 (no deduplication by time)
   */
  duplicateWindowMs?: number
  /**
   * Where the publishing listener runs. `app`: in the app itself. `separate`: in a process of its own, started with
   * `waterline-changefeed start`. The hook then only tags the app's writes: it does not publish, cannot become leader and
   * does not call `on('change')` handlers.
   * @default 'app'
   */
  listener?: 'app' | 'separate'
}

/** The settings of the hook itself, and those that it passes to the feed. */
export interface SailsSettings {
  readonly install: 'auto' | boolean
  readonly blueprints: 'keep' | 'replace'
  readonly duplicateWindowMs: number
  readonly listener: 'app' | 'separate'
  readonly models: ChangefeedOptions['models']
  /** Address for the feed's connections, if it differs from the datastore's. */
  readonly address: ServerAddress | undefined
  readonly feed: Omit<SailsChangefeedConfig, keyof z.infer<typeof own> | 'models' | 'connection' | 'connectionString'>
}

export const own = z.object({
  install: z.union([z.literal('auto'), z.boolean()], "must be 'auto', true or false").default('auto'),
  blueprints: z.enum(['keep', 'replace'], "must be 'keep' or 'replace'").default('keep'),
  duplicateWindowMs: z.int('must be a whole number of milliseconds').nonnegative('must not be below 0').default(0),
  listener: z.enum(['app', 'separate'], "must be 'app' or 'separate'").default('app'),
})

/**
 * Undefined if the app disabled the feed. Settings of the feed are validated by the feed. Throws `E_OPTIONS` with each
 * invalid setting.
 */
export function readSettings(given: unknown = {}): SailsSettings | undefined {
  const config = fromText(given)
  if (config === false) return undefined
  if (config === true) return readSettings({})
  if (config === null || typeof config !== 'object') throw notSettings()
  const {
    install,
    blueprints,
    duplicateWindowMs,
    listener,
    models,
    connection,
    connectionString,
    _hookTimeout,
    ...feed
  } = config as SailsChangefeedConfig & {
    _hookTimeout?: number
  }
  const parsed = parseBySchema(own, { install, blueprints, duplicateWindowMs, listener }, { describe })
  const address = connection ?? (connectionString === undefined ? undefined : { connectionString })
  return { ...parsed, models, address, feed }
}

/** The part of a model that determines its settings. */
interface ConfiguredModel {
  readonly identity: string
  readonly junctionTable?: boolean
  /** The key `changefeed` of its definition. */
  readonly changefeed?: unknown
}

/**
 * Settings by identity. The key `changefeed` in a model's definition takes precedence over `models` in the config.
 * `elsewhere`: models of other databases, which the config may name as well. Throws `E_OPTIONS` if they leave no model.
 */
export function modelSettings(
  models: readonly ConfiguredModel[],
  configured: ChangefeedOptions['models'],
  elsewhere: ReadonlySet<string> = new Set(),
): Record<string, boolean | ModelOptions> {
  const listed = Array.isArray(configured) ? new Set(configured.map(lower)) : undefined
  const named = listed ? settingsOfList(models, listed) : lowerKeys((configured ?? {}) as ByIdentity)
  const own = models.filter(({ changefeed }) => changefeed !== undefined)
  if (listed?.size === 0 && own.length === 0 && elsewhere.size === 0) throw noModels()
  const here = Object.entries(named).filter(([identity]) => !elsewhere.has(identity))
  return Object.fromEntries([...here, ...own.map(model => [model.identity, model.changefeed as boolean] as const)])
}

type ByIdentity = Record<string, boolean | ModelOptions>

/** Junction tables are not excluded here: they follow the models at their ends. */
function settingsOfList(models: readonly ConfiguredModel[], listed: ReadonlySet<string>): ByIdentity {
  const unlisted = models.filter(({ identity, junctionTable }) => !junctionTable && !listed.has(identity))
  return {
    ...Object.fromEntries([...listed].map(identity => [identity, {}])),
    ...Object.fromEntries(unlisted.map(({ identity }) => [identity, false])),
  }
}

const lower = (identity: unknown) => String(identity).toLowerCase()

const lowerKeys = (record: ByIdentity): ByIdentity =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [lower(key), value]))

const noModels = () =>
  new ChangefeedError(
    'E_OPTIONS',
    '`sails.config.changefeed.models` names no model, and no model has the key `changefeed`. Without it all models are captured.',
  )

const notSettings = () =>
  new ChangefeedError(
    'E_OPTIONS',
    '`sails.config.changefeed` must be an object with settings, or false to disable the feed.',
  )

const describe = ({ path, message }: z.core.$ZodIssue) => `\`sails.config.changefeed.${path.join('.')}\` ${message}.`
