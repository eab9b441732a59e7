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
import type { Publisher } from '../../publish/publisher.ts'
import type { ActionRequests } from '../attribution/action-requests.ts'
import { tagStatements } from '../attribution/statement-tags.ts'
import type { AppDatabase } from './databases.ts'
import { feedOptions } from './feed-options.ts'
import { logThrough } from './log.ts'
import type { SailsApp } from './sails-app.ts'
import type { SailsSettings } from './settings.ts'

/** How often a database that is out of reach is looked for, in milliseconds. */
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
  /** Undefined where the app has no sockets to publish to. */
  readonly publisher: Publisher | undefined
  readonly publish: 'local' | 'leader'
  /** Receives what the feed tells. */
  readonly events: FeedEmitter
  /** Called when the changes of this database cannot be known by the request that wrote them. */
  readonly onUntaggable: () => void
  /** Called when it runs, with the models whose tables are captured. */
  readonly onStarted: (captured: readonly string[]) => void
  /** Called when it has stopped by itself, with the models whose changes it published. */
  readonly onStopped: (models: readonly string[]) => void
}

/** The feed of one Postgres database of the app. */
export class DatabaseFeed {
  readonly #parts: DatabaseFeedParts
  readonly #feed: Changefeed
  readonly #stopping = new AbortController()
  #trying: Promise<void> = Promise.resolve()
  readonly #formatCommand: FormatCommand
  #isTagging = false

  constructor(parts: DatabaseFeedParts) {
    this.#parts = parts
    const { sails, settings, database, publisher, publish } = parts
    this.#formatCommand = commandFormatter({ environment: sails.config.environment })
    this.#feed = createChangefeed({
      formatCommand: this.#formatCommand,
      ...feedOptions(settings, database.models, sails.models),
      ...addressOption(database.address),
      collections: database.models,
      publish,
      logger: logThrough(sails.log),
      ...(publisher && { publisher }),
    })
    this.#feed.on('stopped', () => parts.onStopped(this.models))
    forwardEvents(this.#feed, parts.events)
  }

  /** Identities of the models whose changes it publishes. */
  get models(): readonly string[] {
    return this.#feed.status().models
  }

  /**
   * Resolves as well when the feed is not to install anything and cannot run: the app can do without it. It tries again where
   * it cannot reach the database (a URL of its own, no connection left, a standby).
   */
  async start(): Promise<void> {
    if (this.models.length === 0) return
    try {
      await this.#startNow()
    } catch (error) {
      const { log } = this.#parts.sails
      if (mayInstall(this.#parts) || !(error instanceof ChangefeedError)) throw error
      if (!isOutOfReach(error)) return log.error(`changefeed: does not run. ${error.message}`)
      log.warn(`changefeed: does not run yet. ${error.message}`)
      this.#trying = this.#keepTrying()
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#trying
    await this.#feed.stop()
  }

  async settled(): Promise<void> {
    if (this.#isSeparate) throw new ChangefeedError('E_STATE', SEPARATE)
    await this.#feed.settled()
  }

  status(): DatabaseStatus {
    return { datastores: this.#parts.database.datastores, ...this.#feed.status() }
  }

  async plan(flags: InstallFlags = {}): Promise<DatabasePlan> {
    return this.#named(await this.#feed.plan(flags))
  }

  /** Starts the feed as well, where it does not run yet. */
  async install(flags: InstallFlags = {}): Promise<DatabasePlan> {
    const plan = await this.#feed.install(flags)
    await this.#publish(this.models)
    return this.#named(plan)
  }

  /** Keeps the plan's own text. */
  #named(plan: InstallationPlan): DatabasePlan {
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
        `changefeed: does not publish the changes of ${models}: enable the hooks \`sockets\` and \`pubsub\``,
      )
    }
    this.#tag()
    if (await this.#startUnlessMissing()) this.#parts.onStarted(captured)
  }

  /** The writes of this app are tagged, and published by the listener process alone. */
  #leaveToListener(captured: readonly string[]) {
    this.#tag()
    this.#parts.onStarted(captured)
    this.#parts.sails.log.info(
      `changefeed: tags the writes of ${captured.join(', ')}. A listener publishes them, as \`listener\` is 'separate'. ` +
        `To start it, run: ${this.#formatCommand('start')}`,
    )
  }

  async #installAll() {
    const { capture } = await this.#feed.install()
    this.#nameWhatIsKept(capture)
    return this.models
  }

  /** Names what is missing; gives the models that are captured all the same. */
  async #checkAll() {
    const plan = await this.#feed.plan()
    if (!isComplete(plan)) this.#nameWhatIsMissing(plan)
    this.#nameWhatIsKept(plan.capture)
    return plan.capture.steps
      .filter(({ action }) => ['keep', 'replace'].includes(action))
      .map(({ identity }) => identity)
  }

  async #keepTrying() {
    const { signal } = this.#stopping
    for (;;) {
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      try {
        return await this.#startNow()
      } catch (error) {
        if (isOutOfReach(error)) continue
        return this.#parts.sails.log.error('changefeed: does not run:', error)
      }
    }
  }

  /** So that the changes of an action are known by its request. */
  #tag() {
    if (this.#isTagging) return
    this.#isTagging = true
    const { database, requests, sails, settings, onUntaggable } = this.#parts
    const untagged = database.pools.filter(pool => !tagStatements(pool, requests.originNow))
    if (untagged.length === 0) return
    onUntaggable()
    if (settings.blueprints === 'replace' || settings.duplicateWindowMs > 0) return
    sails.log.warn(
      `changefeed: writes of blueprints cannot be told from others on ${database.datastores.join(', ')}, as the adapter ` +
        'does not show its connections. Their messages will come twice: set `duplicateWindowMs`, to 1000 for instance, ' +
        "or `blueprints: 'replace'` (which then tells the socket that asked as well).",
    )
  }

  #nameWhatIsMissing(plan: InstallationPlan) {
    const { log } = this.#parts.sails
    const steps = pendingSteps(plan.capture).map(({ identity, action }) => `${identity} (${action})`)
    const missing = [...plan.migrations.map(name => `schema ${name}`), ...steps]
    const problems = plan.capture.problems.map(({ message }) => message)
    if (missing.length > 0) log.warn(`changefeed: not everything is captured. Missing: ${missing.join(', ')}.`)
    for (const problem of problems) log.warn(`changefeed: ${problem}`)
    log.warn(`changefeed: to install it, run: ${this.#formatCommand('install')}`)
  }

  /** Capture of another app in the same schema, of models that are gone, and what an installation left out before. */
  #nameWhatIsKept(capture: CapturePlan) {
    const { log } = this.#parts.sails
    const tables = surplusSteps(capture).map(({ identity, table }) => (table ? `${identity} (${table})` : identity))
    if (tables.length > 0) {
      log.warn(
        `changefeed: captured, though no model of this app asks for it: ${tables.join(', ')}. If another app uses the same ` +
          'database, give each a `schema` of its own; else remove it with: ' +
          this.#formatCommand('install --prune'),
      )
    }
    for (const warning of capture.warnings) log.warn(`changefeed: ${warning}`)
  }

  async #startUnlessMissing(): Promise<boolean> {
    const { log } = this.#parts.sails
    try {
      await this.#feed.start()
      log.info(`changefeed: publishes the changes of ${this.models.join(', ')}`)
      return true
    } catch (error) {
      if (!(error instanceof ChangefeedError) || error.code !== 'E_NOT_INSTALLED') throw error
      log.warn('changefeed: does not run, as nothing is installed.')
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
  "The changes of this app are published by a listener process, as `sails.config.changefeed.listener` is 'separate': nothing can be waited for here."

const isOutOfReach = (error: unknown) =>
  error instanceof ChangefeedError && (error.code === 'E_CONNECT' || error.code === 'E_STANDBY')

/** Never by itself where the app's tables are not Sails' to change. */
function mayInstall({ settings: { install }, sails: { config } }: DatabaseFeedParts): boolean {
  if (install !== 'auto') return install
  const production = config.environment === 'production' || process.env.NODE_ENV === 'production'
  return !production && ['drop', 'alter'].includes(config.models?.migrate ?? '')
}
