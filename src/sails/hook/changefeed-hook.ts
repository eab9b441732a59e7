import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'socket.io'
import type { InstallFlags } from '../../capture/capture-options.ts'
import type { FeedState } from '../../changefeed.ts'
import { ChangefeedError } from '../../errors.ts'
import type { Model } from '../../models/model.ts'
import { readModels } from '../../models/model-map.ts'
import { keepInstanceof } from '../../node-globals.ts'
import { type ChangefeedEvents, type ChangeHandler, FeedEmitter } from '../../pipeline/events.ts'
import { LiveHold } from '../../publish/socketio/live-hold.ts'
import { CURSOR_HEADER } from '../../realtime/blueprints/read-routes.ts'
import { holdReturningSockets } from '../../realtime/catch-up-route.ts'
import { ActionRequests } from '../attribution/action-requests.ts'
import { AppSockets } from './app-sockets.ts'
import { answerCatchUp, type SailsRequest } from './catch-up-requests.ts'
import { DatabaseFeed, type DatabasePlan, type DatabaseStatus } from './database-feed.ts'
import { databasesOf } from './databases.ts'
import { warnOfExposedAttributes } from './exposed-attributes.ts'
import { logThrough } from './log.ts'
import { unmetRequirement } from './requirements.ts'
import type { SailsApp } from './sails-app.ts'
import { readSettings, type SailsSettings } from './settings.ts'

/** Maximum time that a shutdown waits for committed changes to be published, in milliseconds. */
const DRAIN_MS = 5_000

export interface HookStatus {
  /** `off` if the hook is disabled or no model is in Postgres; `separate` if a listener process publishes. */
  readonly state: 'off' | 'separate' | FeedState
  /** Identities of the published models. */
  readonly models: readonly string[]
  /** One for each Postgres database of the app. */
  readonly feeds: readonly DatabaseStatus[]
}

/** The API of `sails.hooks.changefeed`. */
export interface SailsChangefeed {
  /** `change`: called for each change of any origin. `gap`, `skipped` and `error`: as on a feed. */
  on<E extends HookEvent>(event: E, listener: (...args: ChangefeedEvents[E]) => unknown): void
  off<E extends HookEvent>(event: E, listener: (...args: ChangefeedEvents[E]) => unknown): void
  /** Calls the handler and awaits it before the change is published. Returns a function that removes it. */
  onChange(handler: ChangeHandler): () => void
  /** Resolves when all changes committed before this call have been published. */
  settled(): Promise<void>
  /** The state of the feeds, by database. */
  status(): HookStatus
  /** Installs or updates capture on the tables of the models, regardless of the setting `install`, and starts the feed. */
  install(): Promise<DatabasePlan[]>
  /** The steps that {@link install} would take. */
  plan(): Promise<DatabasePlan[]>
}

export type HookEvent = 'change' | 'gap' | 'skipped' | 'error'

/** The change feed of a lifted Sails app: one feed per Postgres database of its models. */
export class ChangefeedHook {
  /** Events of all feeds of the app. Listeners survive reloads of the ORM. */
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

  /** Registers before the policies do, so that their writes are attributed to the request as well. */
  configure(): void {
    this.#sails.registerActionMiddleware?.((req, res, next) => {
      const requests = this.#requests
      if (!requests) return next()
      const enter = () => requests.enter(req, res, next)
      if (req.isSocket && req.method === 'GET') this.#tellCursor(req, res).then(enter, enter)
      else enter()
    }, '*')
  }

  /** Sends the requesting socket what it missed. `next`: the hook is off. */
  async catchUp(req: SailsRequest, res: ServerResponse, next: () => void): Promise<void> {
    const feed = this.#onlyFeed
    if (!feed) return next()
    await answerCatchUp(req, res, (socket, request) => feed.catchUp(socket, request), this.#sails.log)
  }

  /** The header that clients catch up from: the cursor before the action reads. */
  async #tellCursor({ socket }: { readonly socket?: unknown }, res: ServerResponse) {
    const cursor = await this.#onlyFeed?.cursor()
    if (!cursor) return
    res.setHeader(CURSOR_HEADER, cursor)
    if (this.#sails.io) LiveHold.of(this.#sails.io).told(socket as Socket, cursor)
  }

  /** Undefined also for an app of several databases, whose feeds have cursors of their own. */
  get #onlyFeed(): DatabaseFeed | undefined {
    return this.#feeds.length === 1 ? this.#feeds[0] : undefined
  }

  /** Resolves when the feeds run, or if there is none. Rejects with an error that prevents the app from lifting. */
  async start(): Promise<void> {
    const sails = this.#sails
    const settings = readSettings(sails.config.changefeed)
    if (!settings || !sails.hooks.orm) return
    for (const hook of ['orm', 'sockets', 'pubsub']) if (sails.hooks[hook]) await occurred(sails, `hook:${hook}:loaded`)
    const unmet = unmetRequirement(sails)
    if (unmet) return sails.log.error(`changefeed: not running. ${unmet}. The app lifts without it.`)
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
    const collections = sails.models ?? {}
    for (const model of Object.values(collections)) keepInstanceof(model.globalId ?? model.identity, model)
    const { databases, others } = await databasesOf(collections, settings.address)
    if (others.length > 0) {
      sails.log.verbose(`changefeed: not capturing models of datastores that are not Postgres: ${others.join(', ')}`)
    }
    if (databases.length === 0) return
    const requests = this.#requests ?? new ActionRequests(sails)
    const sockets = AppSockets.of(sails, settings, requests)
    const published = databases.map(database => ({ database, models: readModels(database.models) }))
    this.#feeds = published.map(({ database, models }) => {
      const publisher = sockets?.publisherOf(models)
      const fanOut = sockets?.fanOut ?? 'cluster'
      const onUntaggable = () => sockets?.disableAttribution()
      const onStarted = (captured: readonly string[]) => sockets?.mutePublishers(captured)
      const onStopped = (identities: readonly string[]) => sockets?.unmutePublishers(identities)
      const parts = { sails, settings, requests, database, publisher, fanOut, events: this.events }
      return new DatabaseFeed({ ...parts, onUntaggable, onStarted, onStopped })
    })
    if (settings.listener === 'app') sockets?.attach(this.#feeds)
    if (sails.io && databases.length === 1) {
      holdReturningSockets(sails.io, async (...args) => {
        if (this.#onlyFeed) return await this.#onlyFeed.catchUp(...args)
        throw new ChangefeedError('E_STATE', 'The feed is not running.')
      })
    }
    this.#sockets = sockets
    this.#published = published.flatMap(({ models }) => [...models.values()])
    for (const feed of this.#feeds) await feed.start()
  }

  /** A reload of the ORM replaces models and connections and, depending on `migrate`, recreates tables. */
  async #reload() {
    try {
      await this.#end()
      await this.#begin()
      this.#sails.emit('hook:changefeed:reloaded')
    } catch (error) {
      this.#sails.log.error('changefeed: not running, restart after the reload of the ORM failed:', error)
    }
  }

  async #end() {
    await Promise.all(this.#feeds.map(feed => feed.stop()))
    this.#sockets?.detach()
    this.#feeds = []
  }

  /** Wraps `beforeShutdown`. The app's own function runs first, because it may write. */
  #drainOnShutdown() {
    const { config, log } = this.#sails
    const before = config.beforeShutdown ?? (done => done())
    config.beforeShutdown = done => {
      before(error => {
        this.#inTurn(() => this.#drain())
          .catch((problem: unknown) => log.error('changefeed: stopping the feed failed:', problem))
          .finally(() => done(error))
      })
    }
  }

  async #drain() {
    await Promise.race([this.settled().catch(() => {}), sleep(DRAIN_MS, undefined, { ref: false })])
    await this.#end()
  }

  get #given(): SailsSettings {
    if (!this.#settings)
      throw new ChangefeedError(
        'E_STATE',
        'The change feed of this app is disabled (`sails.config.changefeed: false`) or has not started.',
      )
    return this.#settings
  }

  /** Serializes start, reload and shutdown. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#work.then(work)
    this.#work = turn.catch(() => {})
    return turn
  }
}

const occurred = (sails: SailsApp, event: string) => new Promise<void>(resolve => sails.after(event, resolve))
