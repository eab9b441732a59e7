import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Backoff, backoffMs } from './backoff.ts'
import type { InstallFlags } from './capture/capture-options.ts'
import { Consumer } from './catch-up/consumer.ts'
import { type ConsumerOptions, parseConsumerOptions } from './catch-up/consumer-options.ts'
import { formatCursor } from './change-log/cursor.ts'
import { type Lag, readLag } from './change-log/lag.ts'
import { type Position, publishedPosition } from './change-log/position.ts'
import { WHOLE_TICK } from './change-log/tick.ts'
import { type ConnectionSettings, openDatabase } from './db/connect.ts'
import { ChangefeedError } from './errors.ts'
import { CaptureWatch, type UncapturedModel } from './feed/capture-watch.ts'
import { CatchUpWaiters } from './feed/catch-up-waiters.ts'
import type { FeedContext } from './feed/context.ts'
import { createPublisher, fanOutOf } from './feed/create-publisher.ts'
import { Session } from './feed/session.ts'
import type { SessionCheckpoint } from './feed/tick-reader.ts'
import type { TypedChanges } from './feed/typed-changes.ts'
import { Installation, type InstallationPlan } from './installation.ts'
import { readDeliveryLag } from './leader/delivery-lag.ts'
import type { ModelFailures, PublisherOutage } from './leader/node-health.ts'
import type { Role } from './leader/nodes.ts'
import type { Models } from './models/model.ts'
import { readModels } from './models/model-map.ts'
import { redactedColumns, selectModels } from './models/selection.ts'
import { AbortController } from './node-globals.ts'
import { type ChangefeedOptions, parseOptions, type Settings, type TypedChangefeedOptions } from './options.ts'
import { createDispatcher } from './pipeline/create-dispatcher.ts'
import { FeedEmitter } from './pipeline/events.ts'
import { Failures } from './pipeline/failures.ts'
import { Pauses } from './pipeline/pauses.ts'
import { PublisherWatch } from './pipeline/publisher-watch.ts'
import { roomsOfSubscription, type Subscriber, type SubscriptionIds } from './publish/socketio/subscriptions.ts'
import type { Mode } from './wakeup/polling-policy.ts'

const RECONNECT: Backoff = { firstMs: 100, lastMs: 10_000 }

export type FeedState = 'stopped' | 'starting' | 'running' | 'reconnecting' | 'stopping'

export interface FeedStatus {
  readonly state: FeedState
  /** Null while there is no connection. */
  readonly role: Role | null
  /** How the leader reads: by interrupt (`asleep`), by polling, or on the way from this to that. */
  readonly mode: Mode | null
  /** This process among those that run a feed on the database. */
  readonly node: string
  /** Whether it is proven that notifications arrive: one of our own has come back since the last connect. */
  readonly listening: boolean
  /** Identities of the models whose changes are published. */
  readonly models: readonly string[]
  /** Those of them of which changes are missing until capture is installed again. */
  readonly uncaptured: readonly UncapturedModel[]
  /** Where this node stands; null before it read anything. */
  readonly cursor: string | null
  /** When the last published change happened, in milliseconds since the epoch. */
  readonly lastChangeAt: number | null
  /** Models of which changes could not be published as they are within the last hour; their clients were told to read again. */
  readonly failures: readonly ModelFailures[]
  /** Since when the publisher's backend takes no messages of this node; null while it does. */
  readonly outage: PublisherOutage | null
}

/**
 * A change feed of Waterline models on PostgreSQL: every committed write, whoever made it, reaches the subscribed
 * sockets.
 *
 * Throws `E_OPTIONS` for options that do not fit and `E_MODEL` for collections that are none. Connects to nothing yet.
 *
 * @example
 * const feed = createChangefeed({ connectionString, collections: ontology.collections, io })
 * await feed.install()
 * await feed.start()
 *
 * @example
 * // With the types of the records of every model that the feed has, by identity:
 * const feed = createChangefeed<{ user: UserRecord; pet: PetRecord }>(options)
 * feed.on('change', change => { if (change.identity === 'user') greet(change.record) })
 * io.on('connection', socket => feed.subscribe(socket, 'pet'))
 */
export function createChangefeed(options: ChangefeedOptions): Changefeed
export function createChangefeed<Records extends object>(
  options: TypedChangefeedOptions<Records>,
): TypedChangefeed<Records>
export function createChangefeed<Records extends object>(options: ChangefeedOptions): TypedChangefeed<Records>
export function createChangefeed(options: ChangefeedOptions): Changefeed {
  return new Changefeed(parseOptions(options))
}

/** A feed that knows the types of the records, by the identities of its models. */
export type TypedChangefeed<Records extends object> = TypedChanges<Records> & Changefeed<keyof Records & string>

/** `Identity`: what the models may be called in {@link subscribe}. */
export class Changefeed<Identity extends string = string> extends FeedEmitter {
  readonly #settings: Settings
  readonly #models: Models
  readonly #node = randomUUID()
  readonly #failures: Failures
  readonly #publisherWatch = new PublisherWatch(this)
  #state: FeedState = 'stopped'
  #session: Session | null = null
  #context: FeedContext | null = null
  #running: Promise<void> = Promise.resolve()
  #stopping = new AbortController()
  #starting: Promise<void> = Promise.resolve()

  /** Use {@link createChangefeed}. */
  constructor(settings: Settings) {
    super(settings.logger)
    this.#settings = settings
    this.#failures = new Failures(settings.logger)
    this.#models = selectModels(readModels(settings.collections), settings.models)
  }

  /** What {@link install} would do, without doing it. Throws `E_CONNECT`, `E_PRIVILEGE`, `E_SCHEMA_OWNER`, `E_VERSION`. */
  async plan(flags: InstallFlags = {}): Promise<InstallationPlan> {
    return await this.#installation().plan(flags)
  }

  /** The SQL that lets a role run a listener and nothing more, to be run by the role that installs. Connects to nothing. */
  grants(role: string): string[] {
    return this.#installation().grants(role)
  }

  /**
   * Creates or updates our schema and the triggers on the models' tables. Does nothing where all is in place, and
   * nothing at all where anything cannot be done. Capture that this app does not ask for stays, unless `prune` is set, and
   * what an installation left out of the change log stays out of it, unless `reveal` is set.
   *
   * Throws `E_MODEL` when a model cannot be captured, `E_PRIVILEGE`, `E_SCHEMA_OWNER`, `E_LOCKED` when a
   * table stayed locked, `E_CONNECT`.
   */
  async install(flags: InstallFlags = {}): Promise<InstallationPlan> {
    return await this.#installation().install(flags)
  }

  /** Takes our triggers off every table and drops our schema with all that it holds. */
  async uninstall(): Promise<void> {
    await this.#installation().uninstall()
  }

  /**
   * Begins to publish, and resolves once this node listens. A connection that is lost later is made again, for ever; where
   * the feed is uninstalled meanwhile, or updated by a newer version of this package, it stops, and emits `stopped`.
   *
   * Throws `E_CONNECT`, `E_STANDBY`, `E_VERSION`, `E_NOT_INSTALLED`, `E_SCHEMA_OWNER`, and `E_STATE` when the feed runs already.
   */
  async start(): Promise<void> {
    if (this.#state !== 'stopped') throw new ChangefeedError('E_STATE', `The feed is ${this.#state}: stop it first.`)
    this.#starting = this.#startUp()
    await this.#starting
  }

  /** Ends after the change that is being published. What was not published is published after the next start. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopping'
    this.#stopping.abort()
    this.#session?.stop()
    await this.#starting.catch(() => {}) // who started it hears of it
    await this.#running
    await this.#leave()
  }

  /**
   * Subscribes a socket of your own socket.io server to records of a model, or, without `ids`, to its new records: what is
   * created from then on is followed to its end. It authorizes nothing: call it for what this client may read.
   * Throws `E_USAGE` for an unknown model and for ids that are none.
   *
   * @example
   * io.on('connection', socket => socket.on('watch pets', () => feed.subscribe(socket, 'pet')))
   */
  async subscribe(socket: Subscriber, identity: Identity, ...ids: SubscriptionIds): Promise<void> {
    await socket.join(roomsOfSubscription(this.#models, identity, ...ids))
  }

  /** Ends what {@link subscribe} began: without `ids`, new records are not announced to the socket any more. */
  async unsubscribe(socket: Subscriber, identity: Identity, ...ids: SubscriptionIds): Promise<void> {
    for (const room of roomsOfSubscription(this.#models, identity, ...ids)) await socket.leave(room)
  }

  /**
   * Resolves when every change that was committed before this call has been published.
   * Throws `E_STATE` when the feed does not run or is stopped meanwhile.
   */
  async settled(): Promise<void> {
    const context = this.#context
    if (!context) throw new ChangefeedError('E_STATE', 'The feed does not run: start it first.')
    await context.catchUpWaiters.wait(() => this.#session?.hurry())
  }

  /**
   * How far this node is behind what has been committed; a standby, how far the leader is. Throws `E_STATE` when the feed
   * does not run.
   */
  async lag(): Promise<Lag> {
    const context = this.#context
    if (!context) throw new ChangefeedError('E_STATE', 'The feed does not run: start it first.')
    const { role, position } = this.#session ?? {}
    const own = role !== 'standby' && position
    return own ? await readLag(context.db, own) : await readDeliveryLag(context.db)
  }

  /**
   * The cursor of the last change that was published: what happened after it is still to come. On a node that does not
   * publish itself it is the leader's, and up to a second old. Throws `E_STATE` when the feed does not run.
   */
  async cursor(): Promise<string> {
    const context = this.#context
    if (!context) throw new ChangefeedError('E_STATE', 'The feed does not run: start it first.')
    const position = this.#session?.position ?? (await publishedPosition(context.db))
    return cursorOf(position) ?? ''
  }

  /**
   * Reads every committed change in order, at least once, as a consumer whose position is kept under a name: for a worker, a
   * search index, a webhook. Needs no `start()` here, but a feed or a listener that runs somewhere.
   * Throws `E_OPTIONS`.
   *
   * @example
   * const consumer = feed.consume({ name: 'search-index' })
   * for await (const batch of consumer.batches()) {
   *   await updateIndex(batch) // { operation, identity, record, previous, changed, origin, cursor, at }
   *   await consumer.acknowledge()
   * }
   */
  consume(options: ConsumerOptions): Consumer {
    const parsed = parseConsumerOptions(options, this.#models)
    const connection = this.#connection(`consumer ${parsed.name}`)
    const parts = { settings: this.#settings, models: this.#models, connection }
    return new Consumer({ ...parts, check: db => this.#installation().check(db) }, parsed)
  }

  /** Whether this attribute never leaves the table: it is encrypted, or omitted by the options. */
  omits(identity: string, attribute: string): boolean {
    const column = this.#models.get(identity)?.attributes.get(attribute)?.column
    const redacted = redactedColumns(this.#models, this.#settings.models).get(identity)
    return column !== undefined && redacted?.has(column) === true
  }

  status(): FeedStatus {
    return {
      state: this.#state,
      role: this.#session?.role ?? null,
      mode: this.#session?.mode ?? null,
      node: this.#node,
      listening: this.#session?.listening ?? false,
      models: [...this.#models.keys()],
      uncaptured: this.#context?.captureWatch.uncaptured ?? [],
      cursor: cursorOf(this.#session?.position ?? null),
      lastChangeAt: this.#context?.dispatcher.last?.at ?? null,
      failures: this.#failures.recent(),
      outage: this.#session?.role === 'standby' ? null : this.#publisherWatch.outage,
    }
  }

  async #startUp() {
    this.#state = 'starting'
    this.#stopping = new AbortController()
    try {
      await this.#begin()
    } catch (error) {
      this.#state = 'stopped'
      throw error
    }
  }

  #installation(): Installation {
    return new Installation(this.#settings, this.#models, this.#connection('install'))
  }

  #connection(purpose: string): ConnectionSettings {
    const { connection, schemaOwner } = this.#settings
    return { ...connection, schemaOwner, applicationName: `waterline-changefeed ${purpose}` }
  }

  async #begin() {
    const context = this.#createContext()
    this.#context = context
    try {
      await this.#installation().check(context.db)
      await new Promise<void>((resolve, reject) => {
        this.#running = this.#keepRunning(context, resolve, reject)
      })
    } catch (error) {
      this.#context = null
      context.catchUpWaiters.abandon()
      await context.db.close()
      throw error
    }
  }

  #createContext(): FeedContext {
    const settings = this.#settings
    const connection = { ...this.#connection(''), applicationName: 'waterline-changefeed' }
    const db = openDatabase(connection, settings.schema)
    const fanOut = fanOutOf(settings)
    const publisher = createPublisher(settings, {
      models: this.#models,
      fanOut,
      onDisconnect: client => void this.announce('slowClient', client),
    })
    const { logger } = settings
    const pauses = new Pauses(db, fanOut)
    const publishes = () => fanOut === 'local' || this.#session?.role === 'leader'
    const captureWatch = new CaptureWatch({ db, logger, publishes, formatCommand: settings.formatCommand })
    return {
      node: this.#node,
      settings,
      connection,
      db,
      dispatcher: createDispatcher(settings, this.#models, {
        db,
        publisher,
        publisherWatch: this.#publisherWatch,
        pauses,
        failures: this.#failures,
        events: this,
        onCaptures: captureWatch.onCaptures,
      }),
      catchUpWaiters: new CatchUpWaiters(db),
      publisher,
      pauses,
      captureWatch,
      publisherWatch: this.#publisherWatch,
      failures: this.#failures,
      events: this,
      logger,
      fanOut,
    }
  }

  /** One session after the other. The first must come to life; after that only {@link stop} ends the row. */
  async #keepRunning(context: FeedContext, onReady: () => void, onFailure: (error: unknown) => void) {
    let checkpoint: SessionCheckpoint | null = null
    let failures = 0
    let everReady = false
    while (!this.#stopping.signal.aborted) {
      const session = new Session(context, checkpoint)
      this.#session = session
      try {
        if (everReady) await this.#installation().check(context.db)
        await session.run(() => {
          failures = 0
          everReady = true
          this.#ready(onReady)
        })
      } catch (error) {
        if (!everReady) return onFailure(error)
        const misfit = await this.#misfit(context, error)
        if (misfit) return await this.#giveUp(context, misfit)
        this.#disconnected(context, error as Error)
        await this.#backOff(++failures)
      }
      checkpoint = session.checkpoint
      this.#session = null
    }
    if (!everReady) onFailure(new ChangefeedError('E_STATE', 'The feed was stopped while it started.'))
  }

  #ready(onReady: () => void) {
    if (this.#state !== 'stopping') this.#state = 'running'
    this.announce('connected')
    onReady()
  }

  #disconnected({ logger }: FeedContext, error: Error) {
    if (this.#state === 'stopping') return
    this.#state = 'reconnecting'
    logger.warn('The feed lost the database and connects again', { error: error.message })
    this.announce('disconnected')
    this.report(error)
  }

  /**
   * Why connecting again is of no use: while this feed ran it was uninstalled, or a newer version changed our schema, which
   * this one would read wrongly.
   */
  async #misfit({ db }: FeedContext, error: unknown): Promise<ChangefeedError | undefined> {
    if (isMisfit(error)) return error
    const found = await this.#installation()
      .check(db)
      .catch((problem: unknown) => problem)
    return isMisfit(found) ? found : undefined
  }

  async #giveUp(context: FeedContext, error: Error) {
    if (this.#state === 'stopping') return
    context.logger.error('The feed has stopped, as what is installed in the database is not for it', {
      error: error.message,
    })
    this.#session = null
    await this.#leave()
    this.report(error)
    this.announce('stopped', error)
  }

  async #leave() {
    this.#context?.catchUpWaiters.abandon()
    await this.#context?.db.close()
    this.#context = null
    this.#state = 'stopped'
  }

  /** Full jitter, so that many nodes do not come back at once. */
  async #backOff(failures: number) {
    const ceiling = backoffMs(failures, RECONNECT)
    await sleep(ceiling * (0.5 + Math.random() / 2), undefined, { signal: this.#stopping.signal }).catch(() => {})
  }
}

const isMisfit = (error: unknown): error is ChangefeedError =>
  error instanceof ChangefeedError && ['E_NOT_INSTALLED', 'E_VERSION'].includes(error.code)

function cursorOf(position: Position | null): string | null {
  if (!position) return null
  const { epoch, tick, partial } = position
  return formatCursor({ epoch, tick: partial?.tick ?? tick.id, seq: partial?.seq ?? WHOLE_TICK })
}
