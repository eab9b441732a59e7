import { setTimeout as sleep } from 'node:timers/promises'
import type { InstallFlags } from '../../capture/capture-options.ts'
import type { FeedState } from '../../changefeed.ts'
import { ChangefeedError } from '../../errors.ts'
import type { Model } from '../../models/model.ts'
import { readModels } from '../../models/model-map.ts'
import { keepInstanceof } from '../../node-globals.ts'
import { type ChangefeedEvents, type ChangeHandler, FeedEmitter } from '../../pipeline/events.ts'
import { ActionRequests } from '../attribution/action-requests.ts'
import { AppSockets } from './app-sockets.ts'
import { DatabaseFeed, type DatabasePlan, type DatabaseStatus } from './database-feed.ts'
import { databasesOf } from './databases.ts'
import { warnOfExposedAttributes } from './exposed-attributes.ts'
import { logThrough } from './log.ts'
import { unmetRequirement } from './requirements.ts'
import type { SailsApp } from './sails-app.ts'
import { readSettings, type SailsSettings } from './settings.ts'

/** How long shutting down may wait for what was committed before it, in milliseconds. */
const DRAIN_MS = 5_000

export interface HookStatus {
  /** `off` where the app turned the hook off, or has nothing to capture; `separate` where a listener process publishes. */
  readonly state: 'off' | 'separate' | FeedState
  /** Identities of the models whose changes are published. */
  readonly models: readonly string[]
  /** One for each Postgres database of the app. */
  readonly feeds: readonly DatabaseStatus[]
}

/** What `sails.hooks.changefeed` offers to an app. */
export interface SailsChangefeed {
  /** Calls the listener for each change, whoever made it; `gap`, `skipped` and `error` as on a feed. */
  on<E extends HookEvent>(event: E, listener: (...args: ChangefeedEvents[E]) => unknown): void
  off<E extends HookEvent>(event: E, listener: (...args: ChangefeedEvents[E]) => unknown): void
  /** Waits for the handler before the change is published; returns a function that removes it. */
  onChange(handler: ChangeHandler): () => void
  /** Resolves when every change that was committed before this call has been published. */
  settled(): Promise<void>
  /** What is captured and published, database by database. */
  status(): HookStatus
  /** Installs or updates capture on the tables of the models, whatever the setting `install` says, and starts the feed. */
  install(): Promise<DatabasePlan[]>
  /** What {@link install} would do. */
  plan(): Promise<DatabasePlan[]>
}

export type HookEvent = 'change' | 'gap' | 'skipped' | 'error'

/** The change feed of a lifted Sails app: one feed for each Postgres database that its models are in. */
export class ChangefeedHook {
  /** What the feeds of the app's databases tell, also after the ORM was reloaded. */
  readonly events: FeedEmitter
  readonly #sails: SailsApp
  #settings: SailsSettings | undefined
  #requests: ActionRequests | undefined
  #sockets: AppSockets | undefined
  #feeds: DatabaseFeed[] = []
  #published: readonly Model[] = []
  #work: Promise<unknown> = Promise.resolve()

  constructor(sails: SailsApp) {
    this.#sails = sails
    this.events = new FeedEmitter(logThrough(sails.log))
  }

  /** Before the policies register theirs: what they write is the request's as well. */
  configure(): void {
    this.#sails.registerActionMiddleware?.((req, res, next) => {
      if (this.#requests) this.#requests.enter(req, res, next)
      else next()
    }, '*')
  }

  /** Resolves when the feeds run, or there is none to run. Rejects with what keeps the app from being lifted. */
  async start(): Promise<void> {
    const sails = this.#sails
    const settings = readSettings(sails.config.changefeed)
    if (!settings || !sails.hooks.orm) return
    for (const hook of ['orm', 'sockets', 'pubsub']) if (sails.hooks[hook]) await occurred(sails, `hook:${hook}:loaded`)
    const unmet = unmetRequirement(sails)
    if (unmet) return sails.log.error(`changefeed: does not run. ${unmet}. The app works as it would without it.`)
    this.#settings = settings
    this.#requests = new ActionRequests(sails)
    this.#drainOnShutdown()
    await this.#inTurn(() => this.#begin())
    if (settings.blueprints === 'keep') warnOfExposedAttributes(sails, this.#published)
    sails.on('hook:pubsub:reloaded', () => void this.#inTurn(() => this.#reload()))
  }

  async settled(): Promise<void> {
    await Promise.all(this.#feeds.map(feed => feed.settled()))
  }

  status(): HookStatus {
    const feeds = this.#feeds.map(feed => feed.status())
    return {
      state: this.#stateOf(feeds),
      models: feeds.flatMap(({ models }) => models),
      feeds,
    }
  }

  #stateOf(feeds: readonly DatabaseStatus[]): HookStatus['state'] {
    if (feeds.length === 0) return 'off'
    if (this.#given.listener === 'separate') return 'separate'
    return feeds.map(({ state }) => state).find(state => state !== 'running') ?? 'running'
  }

  async plan(flags: InstallFlags = {}): Promise<DatabasePlan[]> {
    return await Promise.all(this.#feeds.map(feed => feed.plan(flags)))
  }

  async install(flags: InstallFlags = {}): Promise<DatabasePlan[]> {
    return await Promise.all(this.#feeds.map(feed => feed.install(flags)))
  }

  async #begin() {
    const [sails, settings] = [this.#sails, this.#given]
    const models = sails.models ?? {}
    for (const model of Object.values(models)) keepInstanceof(model.globalId ?? model.identity, model)
    const { databases, others } = await databasesOf(models, settings.address)
    if (others.length > 0) {
      sails.log.verbose(`changefeed: only Postgres is captured, so not the models of: ${others.join(', ')}`)
    }
    if (databases.length === 0) return
    const requests = this.#requests ?? new ActionRequests(sails)
    const sockets = AppSockets.of(sails, settings, requests)
    this.#feeds = databases.map(database => {
      const publisher = sockets?.publisherOf(database)
      const publish = sockets?.publish ?? 'leader'
      const onUntaggable = () => sockets?.giveUpOnRequests()
      const onStarted = (captured: readonly string[]) => sockets?.mutePublishers(captured)
      const onStopped = (models: readonly string[]) => sockets?.unmutePublishers(models)
      const parts = { sails, settings, requests, database, publisher, publish, events: this.events }
      return new DatabaseFeed({ ...parts, onUntaggable, onStarted, onStopped })
    })
    if (settings.listener === 'app') sockets?.attach()
    this.#sockets = sockets
    this.#published = databases.flatMap(({ models }) => [...readModels(models).values()])
    for (const feed of this.#feeds) await feed.start()
  }

  /** The ORM has other models and connections now; with `migrate` it may have made its tables anew. */
  async #reload() {
    try {
      await this.#end()
      await this.#begin()
      this.#sails.emit('hook:changefeed:reloaded')
    } catch (error) {
      this.#sails.log.error('changefeed: could not be started again after the ORM was reloaded:', error)
    }
  }

  async #end() {
    await Promise.all(this.#feeds.map(feed => feed.stop()))
    this.#sockets?.detach()
    this.#feeds = []
  }

  /** There is no hook for shutting down: the app's own `beforeShutdown` runs first, as it may write. */
  #drainOnShutdown() {
    const { config, log } = this.#sails
    const before = config.beforeShutdown ?? (done => done())
    config.beforeShutdown = done => {
      before(error => {
        this.#inTurn(() => this.#drain())
          .catch((problem: unknown) => log.error('changefeed: shutting down failed:', problem))
          .finally(() => done(error))
      })
    }
  }

  async #drain() {
    await Promise.race([this.settled().catch(() => {}), sleep(DRAIN_MS, undefined, { ref: false })])
    await this.#end()
  }

  get #given(): SailsSettings {
    if (!this.#settings) throw new ChangefeedError('E_STATE', 'The change feed of this app is turned off.')
    return this.#settings
  }

  /** Starting, reloading and shutting down never overlap. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(work)
    this.#work = turn.catch(() => {})
    return turn
  }
}

const occurred = (sails: SailsApp, event: string) => new Promise<void>(resolve => sails.after(event, resolve))
