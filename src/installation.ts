import { inspect } from 'node:util'
import { applyCapture, installCapture, readCapturePlan, uninstallCapture } from './capture/apply.ts'
import type { CaptureOptions, InstallFlags } from './capture/capture-options.ts'
import { formatPlan } from './capture/format-plan.ts'
import { type CapturePlan, pendingSteps } from './capture/plan.ts'
import { setRetention } from './change-log/retention.ts'
import { type Client, type ConnectionSettings, connectClient, type Database, openDatabase } from './db/connect.ts'
import { listenerGrants } from './db/foreign-rights.ts'
import { migrateSchema, pendingMigrations } from './db/migrate.ts'
import { describePublication, publicationsOf } from './db/publications.ts'
import { qualify, quoteName } from './db/quote.ts'
import { assertSchemaTrusted } from './db/schema-trust.ts'
import { SQLSTATE, sqlstateOf } from './db/sqlstate.ts'
import { ChangefeedError } from './errors.ts'
import type { Models } from './models/model.ts'
import { describeSecrets, suspectedSecrets } from './models/suspected-secrets.ts'
import type { Settings } from './options.ts'

export type { CapturePlan }

/** A pending or completed installation. Formats itself as `install` prints it, also with `console.log`. */
export interface InstallationPlan {
  /** Names of the pending migrations of our schema. */
  readonly migrations: readonly string[]
  /** The steps for the tables of the models. */
  readonly capture: CapturePlan
}

/** Our objects in the database: the schema, and the triggers on the app's tables. */
export class Installation {
  readonly #settings: Settings
  readonly #models: Models
  readonly #connection: ConnectionSettings

  constructor(settings: Settings, models: Models, connection: ConnectionSettings) {
    this.#settings = settings
    this.#models = models
    this.#connection = connection
  }

  async plan(flags: InstallFlags = {}): Promise<InstallationPlan> {
    return await this.#withClient(client => this.#read(client, flags))
  }

  /** Checks for problems before creating anything, so that no schema is created without capture. */
  async install(flags: InstallFlags = {}): Promise<InstallationPlan> {
    const { schema, retentionMs } = this.#settings
    const plan = await this.#withClient(async client => {
      const before = await this.#read(client, flags)
      return isComplete(before) ? before : await this.#carryOut(client, before, flags)
    })
    const db = openDatabase(this.#connection, schema)
    try {
      await setRetention(db, retentionMs)
    } finally {
      await db.close()
    }
    return plan
  }

  async #read(client: Client, flags: InstallFlags): Promise<InstallationPlan> {
    const migrations = await pendingMigrations(client, this.#settings)
    const capture = await readCapturePlan(client, this.#models, { ...this.#captureOptions(), ...flags })
    const warnings = migrations.length > 0 ? await this.#publicationWarnings(client) : []
    return withText({ migrations, capture: { ...capture, warnings: [...capture.warnings, ...warnings] } })
  }

  async #carryOut(client: Client, before: InstallationPlan, flags: InstallFlags): Promise<InstallationPlan> {
    const { problems } = before.capture
    const { schema, lockTimeoutMs } = this.#settings
    const migrations = problems.length > 0 ? [] : await migrateSchema(this.#connection, schema)
    const options = { ...this.#captureOptions(), ...flags, lockTimeoutMs }
    const isCurrent = migrations.length === 0 && problems.length === 0
    const capture = await (isCurrent ? applyCapture : installCapture)(client, this.#models, options)
    return withText({
      migrations,
      capture: { ...capture, warnings: [...capture.warnings, ...this.#secretsIn(capture)] },
    })
  }

  /** False if there was no schema of ours. */
  async uninstall(): Promise<boolean> {
    const { schema, schemaOwner, lockTimeoutMs } = this.#settings
    return await this.#withClient(async client => {
      if (!(await assertSchemaTrusted(client, this.#settings))) return false
      await uninstallCapture(client, { schema, schemaOwner, lockTimeoutMs })
      await client.query(`drop schema if exists ${quoteName(schema)} cascade`)
      return true
    })
  }

  /** The statements that let a role run a listener. It reads the app's tables for their associations. */
  grants(role: string): string[] {
    const models = [...this.#models.values()]
    const grantee = quoteName(role)
    const schemas = new Set(models.map(({ schema }) => quoteName(schema)))
    const tables = new Set(models.map(({ schema, table }) => qualify(schema, table)))
    return [
      ...listenerGrants(this.#settings.schema, role),
      ...[...schemas].map(schema => `grant usage on schema ${schema} to ${grantee}`),
      ...[...tables].map(table => `grant select on table ${table} to ${grantee}`),
    ]
  }

  /** Throws `E_NOT_INSTALLED` if our schema is missing or outdated, or the role may not read it. */
  async check({ pool }: Database): Promise<void> {
    const { schema, formatCommand } = this.#settings
    const client = await pool.connect()
    try {
      if ((await pendingMigrations(client, this.#settings)).length > 0)
        throw notInstalled(schema, formatCommand('install'))
      await client.query(`select 1 from ${qualify(schema, 'state')}`)
    } catch (error) {
      throw sqlstateOf(error) === SQLSTATE.insufficientPrivilege ? noRights(schema, error) : error
    } finally {
      client.release()
    }
  }

  /** Installing breaks logical replication of such a publication if its subscriber lacks our tables. */
  async #publicationWarnings(client: Client): Promise<string[]> {
    const { schema } = this.#settings
    return (await publicationsOf(client, schema)).map(name => describePublication(name, schema))
  }

  /** For models whose capture was created by this installation, so that each is reported once. */
  #secretsIn({ steps }: CapturePlan): string[] {
    const isNew = (identity: string) => steps.some(step => step.identity === identity && step.action === 'create')
    const suspected = suspectedSecrets(this.#models, this.#settings.models)
    return describeSecrets(suspected.filter(({ identity }) => isNew(identity)))
  }

  #captureOptions(): CaptureOptions {
    const { schema, schemaOwner, noopUpdates, capture, models, originTag } = this.#settings
    return { schema, schemaOwner, noopUpdates, capture, models: models.options, originTag }
  }

  async #withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = await connectClient(this.#connection, () => {})
    try {
      return await use(client)
    } finally {
      await client.end().catch(() => {})
    }
  }
}

function withText(plan: InstallationPlan): InstallationPlan {
  const value = () => [...plan.migrations.map(name => `+ ${name}`), formatPlan(plan.capture)].join('\n')
  return Object.defineProperties({ ...plan }, { toString: { value }, [inspect.custom]: { value } })
}

/** Whether nothing is pending. */
export const isComplete = ({ migrations, capture }: InstallationPlan): boolean =>
  migrations.length === 0 && capture.problems.length === 0 && pendingSteps(capture).length === 0

const notInstalled = (schema: string, command: string) =>
  new ChangefeedError(
    'E_NOT_INSTALLED',
    `The schema "${schema}" of the change feed is missing or outdated. Call feed.install() first, or run: ${command}`,
  )

const noRights = (schema: string, cause: unknown) =>
  new ChangefeedError(
    'E_PRIVILEGE',
    `The role may not read the tables of the schema "${schema}". Connect as the role that installed it, or grant it the privileges of a listener: ${listenerGrants(schema, '<role>').join('; ')}`,
    { cause },
  )
