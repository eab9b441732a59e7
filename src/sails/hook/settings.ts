import { z } from 'zod'
import type { ServerAddress } from '../../db/connect.ts'
import { ChangefeedError } from '../../errors.ts'
import type { ModelOptions } from '../../models/selection.ts'
import type { ChangefeedOptions } from '../../options.ts'
import { fromText } from './text-settings.ts'

/** `sails.config.changefeed`. */
export interface SailsChangefeedConfig
  extends Partial<
    Pick<
      ChangefeedOptions,
      | 'backlogLimitBytes'
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
   * Whether to install capture on the tables at lift. `auto`: with `migrate` drop or alter, and never in production; then
   * what is missing is only named.
   * @default 'auto'
   */
  install?: 'auto' | boolean
  /**
   * `keep`: blueprints publish as ever, and the feed publishes every other change. `replace`: the feed alone publishes, in
   * the order of the commits.
   * @default 'keep'
   */
  blueprints?: 'keep' | 'replace'
  /**
   * With `keep`: how long, in milliseconds, a message of the app's own and one of the feed's about the same are taken for
   * copies, where the write is not known to belong to a request: in jobs, or where connections cannot be tagged.
   * @default 0, never
   */
  duplicateWindowMs?: number
  /**
   * Where the listener runs that publishes. `app`: in the app itself. `separate`: `waterline-changefeed start` runs beside
   * the app; the hook only tags what the app writes, and neither publishes nor takes the lead. It then calls none of the
   * handlers of `on('change')`.
   * @default 'app'
   */
  listener?: 'app' | 'separate'
}

/** The settings of the hook itself, and those that it passes on. */
export interface SailsSettings {
  readonly install: 'auto' | boolean
  readonly blueprints: 'keep' | 'replace'
  readonly duplicateWindowMs: number
  readonly listener: 'app' | 'separate'
  readonly models: ChangefeedOptions['models']
  /** Of the feed's own connections, where they are not those of the datastore. */
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
 * Undefined where the app turned the feed off. What is passed on is looked at by the feed.
 * Throws `E_OPTIONS`, naming each setting that does not fit and what it must be.
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
  const parsed = own.safeParse({ install, blueprints, duplicateWindowMs, listener })
  if (!parsed.success) throw unfit(parsed.error)
  const address = connection ?? (connectionString === undefined ? undefined : { connectionString })
  return { ...parsed.data, models, address, feed }
}

/** What there is to know of a model to settle what is to be done with it. */
interface ConfiguredModel {
  readonly identity: string
  readonly junctionTable?: boolean
  /** The key `changefeed` of its definition. */
  readonly changefeed?: unknown
}

/**
 * Settings by identity: the key `changefeed` of a model's definition wins over `models` in the config. `elsewhere` are the
 * models of other databases, which the config may name as well.
 */
export function modelSettings(
  models: readonly ConfiguredModel[],
  configured: ChangefeedOptions['models'],
  elsewhere: ReadonlySet<string> = new Set(),
): Record<string, boolean | ModelOptions> {
  const listed = Array.isArray(configured) ? new Set(configured.map(lower)) : undefined
  const named = listed ? whatIsNotListed(models, listed) : lowerKeys((configured ?? {}) as ByIdentity)
  const own = models.filter(({ changefeed }) => changefeed !== undefined)
  const here = Object.entries(named).filter(([identity]) => !elsewhere.has(identity))
  return Object.fromEntries([...here, ...own.map(model => [model.identity, model.changefeed as boolean] as const)])
}

type ByIdentity = Record<string, boolean | ModelOptions>

/** Junction tables go with the models at their ends. */
function whatIsNotListed(models: readonly ConfiguredModel[], listed: ReadonlySet<string>): ByIdentity {
  const unlisted = models.filter(({ identity, junctionTable }) => !junctionTable && !listed.has(identity))
  return {
    ...Object.fromEntries([...listed].map(identity => [identity, {}])),
    ...Object.fromEntries(unlisted.map(({ identity }) => [identity, false])),
  }
}

const lower = (identity: unknown) => String(identity).toLowerCase()

const lowerKeys = (record: ByIdentity): ByIdentity =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [lower(key), value]))

const notSettings = () =>
  new ChangefeedError(
    'E_OPTIONS',
    '`sails.config.changefeed` must be an object with settings, or false to turn it off.',
  )

function unfit({ issues }: z.ZodError): ChangefeedError {
  const complaints = issues.map(({ path, message }) => `\`sails.config.changefeed.${path.join('.')}\` ${message}.`)
  return new ChangefeedError('E_OPTIONS', complaints.join(' '))
}
