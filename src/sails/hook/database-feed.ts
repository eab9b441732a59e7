import { setTimeout as sleep } from 'node:timers/promises'
import type { InstallFlags } from '../../capture/capture-options.ts'
import { type CapturePlan, pendingSteps, surplusSteps } from '../../capture/plan.ts'
import { type Changefeed, createChangefeed, type FeedStatus } from '../../changefeed.ts'
import { ChangefeedError } from '../../errors.ts'
import { type InstallationPlan, isComplete } from '../../installation.ts'
import { AbortController } from '../../node-globals.ts'
import { addressOption } from '../../options.ts'
import type { FeedEmitter } from '../../pipeline/events.ts'
import { commandFormatter, type FormatCommand } from '../../printed-command.ts'
import type { FanOut } from '../../publish/fan-out.ts'
import type { FeedSnapshot } from '../../publish/feed-snapshot.ts'
import type { Publisher } from '../../publish/publisher.ts'
import type { ActionRequests } from '../attribution/action-requests.ts'
import { tagStatements } from '../attribution/statement-tags.ts'
import type { AppDatabase } from './databases.ts'
import { feedOptions } from './feed-options.ts'
import { logThrough } from './log.ts'
import type { SailsApp } from './sails-app.ts'
import type { SailsSettings } from './settings.ts'

/** Interval between connection attempts to an unavailable database, in milliseconds. */
const RETRY_MS = 5_000

export interface DatabaseStatus extends FeedStatus {
  readonly datastores: readonly string[]
}

export interface DatabasePlan extends InstallationPlan {
  readonly datastores: readonly string[]
}

export interface DatabaseFeedParts {
  readonly sails: SailsApp
  readonly settings: SailsSettings
  readonly requests: ActionRequests
  readonly database: AppDatabase
  /** Undefined if the app has no sockets. */
  readonly publisher: Publisher | undefined
  readonly fanOut: FanOut
  /** Receives the feed's events. */
  readonly events: FeedEmitter
  /** Called if changes of this database cannot be attributed to requests. */
  readonly onUntaggable: () => void
  /** Called when the feed has started, with the captured models. */
  readonly onStarted: (captured: readonly string[]) => void
  /** Called when the feed has stopped by itself, with the models that it published. */
  readonly onStopped: (models: readonly string[]) => void
}

/** The feed of one Postgres database of the app. */
export class DatabaseFeed {
  readonly #parts: DatabaseFeedParts
  readonly #feed: Changefeed
  readonly #stopping = new AbortController()
  #retrying: Promise<void> = Promise.resolve()
  readonly #formatCommand: FormatCommand
  #isTagging = false

  constructor(parts: DatabaseFeedParts) {
    this.#parts = parts
    const { sails, settings, database, publisher, fanOut } = parts
    this.#formatCommand = commandFormatter({ environment: sails.config.environment })
    this.#feed = createChangefeed({
      formatCommand: this.#formatCommand,
      ...feedOptions(settings, database.models, sails.models),
      ...addressOption(database.address),
      collections: database.models,
      publish: fanOut === 'local' ? 'local' : 'leader',
      logger: logThrough(sails.log),
      ...(publisher && { publisher }),
    })
    this.#feed.on('stopped', () => parts.onStopped(this.models))
    forwardEvents(this.#feed, parts.events)
  }

  /** Identities of the published models. */
  get models(): readonly string[] {
    return this.#feed.status().models
  }

  /**
   * If the feed may not install capture and cannot run, this logs the reason and resolves, so that the app lifts without it.
   * If the database is unavailable (wrong URL, too many connections, a standby), it retries in the background.
   */
  async start(): Promise<void> {
    if (this.models.length === 0) return
    try {
      await this.#startNow()
    } catch (error) {
      const { log } = this.#parts.sails
      if (mayInstall(this.#parts) || !(error instanceof ChangefeedError)) throw error
      if (!isUnavailable(error)) return log.error(`changefeed: not running. ${error.message}`)
      log.warn(`changefeed: not running, retrying every ${RETRY_MS / 1000} s. ${error.message}`)
      this.#retrying = this.#retryStart()
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#retrying
    await this.#feed.stop()
  }

  async settled(): Promise<void> {
    if (this.#isSeparate) throw new ChangefeedError('E_STATE', SEPARATE)
    await this.#feed.settled()
  }

  async snapshot(): Promise<FeedSnapshot | undefined> {
    return await this.#feed.snapshot()
  }

  /** See {@link Changefeed.catchUp}. */
  async catchUp(...args: Parameters<Changefeed['catchUp']>): ReturnType<Changefeed['catchUp']> {
    return await this.#feed.catchUp(...args)
  }

  /** The cursor of the last published change. Null if it cannot be read. */
  async cursor(): Promise<string | null> {
    return await this.#feed.cursor().catch(() => null)
  }

  status(): DatabaseStatus {
    return { datastores: this.#parts.database.datastores, ...this.#feed.status() }
  }

  async plan(flags: InstallFlags = {}): Promise<DatabasePlan> {
    return this.#withDatastores(await this.#feed.plan(flags))
  }

  /** Also starts the feed if it is not running. */
  async install(flags: InstallFlags = {}): Promise<DatabasePlan> {
    const plan = await this.#feed.install(flags)
    await this.#publish(this.models)
    return this.#withDatastores(plan)
  }

  /** Extends the plan in place to keep its `toString()`. */
  #withDatastores(plan: InstallationPlan): DatabasePlan {
    return Object.assign(plan, { datastores: this.#parts.database.datastores })
  }

  async #startNow() {
    await this.#publish(mayInstall(this.#parts) ? await this.#installAll() : await this.#checkAll())
  }

  get #isSeparate(): boolean {
    return this.#parts.settings.listener === 'separate'
  }

  async #publish(captured: readonly string[]) {
    if (this.#feed.status().state !== 'stopped') return
    if (this.#isSeparate) return this.#leaveToListener(captured)
    if (!this.#parts.publisher) {
      const models = this.models.join(', ')
      return this.#parts.sails.log.info(
        `changefeed: not publishing ${models}: enable the \`sockets\` and \`pubsub\` hooks`,
      )
    }
    this.#tag()
    if (await this.#startUnlessMissing()) this.#parts.onStarted(captured)
    else this.#retrying = this.#awaitInstallation()
  }

  /** Only tags the writes of this app. The listener process publishes them. */
  #leaveToListener(captured: readonly string[]) {
    this.#tag()
    this.#parts.onStarted(captured)
    this.#parts.sails.log.info(
      `changefeed: tagging writes of ${captured.join(', ') || 'no model yet, as nothing is installed'}; a separate listener publishes them (\`listener: 'separate'\`). ` +
        `To start it, run: ${this.#formatCommand('start')}`,
    )
  }

  async #installAll() {
    const { capture } = await this.#feed.install()
    this.#warnOfSurplus(capture)
    return this.models
  }

  /** Logs what is missing. Returns the captured models. */
  async #checkAll() {
    const plan = await this.#feed.plan()
    if (!isComplete(plan)) this.#warnOfMissing(plan)
    this.#warnOfSurplus(plan.capture)
    return plan.capture.steps
      .filter(({ action }) => ['keep', 'replace'].includes(action))
      .map(({ identity }) => identity)
  }

  async #retryStart() {
    const { signal } = this.#stopping
    for (;;) {
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      try {
        return await this.#startNow()
      } catch (error) {
        if (isUnavailable(error)) continue
        return this.#parts.sails.log.error('changefeed: not running, start failed:', error)
      }
    }
  }

  /** Tags statements, so that changes can be attributed to the request that made them. */
  #tag() {
    if (this.#isTagging) return
    this.#isTagging = true
    const { database, requests, sails, settings, onUntaggable } = this.#parts
    const untagged = database.pools.filter(pool => !tagStatements(pool, requests.originNow))
    if (untagged.length === 0) return
    onUntaggable()
    if (settings.blueprints === 'replace' || settings.duplicateWindowMs > 0) return
    sails.log.warn(
      `changefeed: writes on ${database.datastores.join(', ')} cannot be attributed to requests, because the adapter ` +
        'does not expose its connection pool. Clients will receive messages of blueprints twice. Set `duplicateWindowMs`, ' +
        "for example to 1000, or `blueprints: 'replace'`, with which the requesting socket receives its own changes as well.",
    )
  }

  #warnOfMissing(plan: InstallationPlan) {
    const { log } = this.#parts.sails
    const steps = pendingSteps(plan.capture).map(({ identity, action }) => `${identity} (${action})`)
    const missing = [...plan.migrations.map(name => `schema ${name}`), ...steps]
    const problems = plan.capture.problems.map(({ message }) => message)
    if (missing.length > 0) log.warn(`changefeed: capture is incomplete. Missing: ${missing.join(', ')}.`)
    for (const problem of problems) log.warn(`changefeed: ${problem}`)
    log.warn(`changefeed: to install it, run: ${this.#formatCommand('install')}`)
  }

  /** Logs capture of tables without a model in this app (of another app, or of removed models), and the plan's warnings. */
  #warnOfSurplus(capture: CapturePlan) {
    const { log } = this.#parts.sails
    const tables = surplusSteps(capture).map(({ identity, table }) => (table ? `${identity} (${table})` : identity))
    if (tables.length > 0) {
      log.warn(
        `changefeed: captured tables without a model in this app: ${tables.join(', ')}. If they belong to another app, set a ` +
          'different `schema` for each app. Otherwise remove their capture with: ' +
          this.#formatCommand('install --prune'),
      )
    }
    for (const warning of capture.warnings) log.warn(`changefeed: ${warning}`)
  }

  /** The command line, or another process, may install at any time. */
  async #awaitInstallation() {
    const { signal } = this.#stopping
    for (;;) {
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      try {
        const { migrations } = await this.#feed.plan()
        if (migrations.length === 0) return await this.#startNow()
      } catch (error) {
        if (isUnavailable(error)) continue
        return this.#parts.sails.log.error('changefeed: not running:', error)
      }
    }
  }

  async #startUnlessMissing(): Promise<boolean> {
    const { log } = this.#parts.sails
    try {
      await this.#feed.start()
      log.info(`changefeed: publishing changes of ${this.models.join(', ')}`)
      return true
    } catch (error) {
      if (!(error instanceof ChangefeedError) || error.code !== 'E_NOT_INSTALLED') throw error
      log.warn('changefeed: not running, because nothing is installed. It starts by itself once it is.')
      return false
    }
  }
}

function forwardEvents(feed: Changefeed, events: FeedEmitter) {
  feed.onChange(change => events.announceChange(change))
  feed.on('gap', gap => events.announce('gap', gap))
  feed.on('skipped', skipped => events.announce('skipped', skipped))
  feed.on('error', error => events.report(error))
}

const SEPARATE =
  "`settled()` is not available in this app: a separate listener publishes its changes, because `sails.config.changefeed.listener` is 'separate'."

const isUnavailable = (error: unknown) =>
  error instanceof ChangefeedError && (error.code === 'E_CONNECT' || error.code === 'E_STANDBY')

/** With `auto`, installs only where Sails itself may alter the app's tables. */
function mayInstall({ settings: { install }, sails: { config } }: DatabaseFeedParts): boolean {
  if (install !== 'auto') return install
  const production = config.environment === 'production' || process.env.NODE_ENV === 'production'
  return !production && ['drop', 'alter'].includes(config.models?.migrate ?? '')
}
