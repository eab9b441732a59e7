import { randomUUID } from 'node:crypto'
import type { Socket } from 'socket.io'
import type { InstallFlags } from './capture/capture-options.ts'
import type { CatchUpRequest, CatchUps, CaughtUp } from './catch-up/catch-ups.ts'
import { Consumer } from './catch-up/consumer.ts'
import { type ConsumerOptions, parseConsumerOptions } from './catch-up/consumer-options.ts'
import { PublishedElsewhere } from './catch-up/published-elsewhere.ts'
import type { Lag } from './change-log/lag.ts'
import { cursorOf } from './change-log/position.ts'
import type { ConnectionSettings } from './db/connect.ts'
import { ChangefeedError } from './errors.ts'
import type { UncapturedModel } from './feed/capture-watch.ts'
import { CatchUpOutcomes } from './feed/catch-up-outcomes.ts'
import { fanOutOf } from './feed/create-publisher.ts'
import type { TypedChanges } from './feed/typed-changes.ts'
import { Installation, type InstallationPlan } from './installation.ts'
import type { ModelFailures, PublisherOutage } from './leader/node-health.ts'
import type { Role } from './leader/nodes.ts'
import type { Models } from './models/model.ts'
import { readModels } from './models/model-map.ts'
import { selectModels } from './models/selection.ts'
import { type ChangefeedOptions, parseOptions, type Settings, type TypedChangefeedOptions } from './options.ts'
import { FeedEmitter } from './pipeline/events.ts'
import { Failures } from './pipeline/failures.ts'
import { PublisherWatch } from './pipeline/publisher-watch.ts'
import type { FeedSnapshot } from './publish/feed-snapshot.ts'
import { LiveHold } from './publish/socketio/live-hold.ts'
import { roomsOfSubscription, type Subscriber, type SubscriptionIds } from './publish/socketio/subscriptions.ts'
import { RunningFeed } from './running-feed.ts'
import type { Mode } from './wakeup/polling-policy.ts'

export type FeedState = 'stopped' | 'starting' | 'running' | 'reconnecting' | 'stopping'

export interface FeedStatus {
  readonly state: FeedState
  /** Null while disconnected. */
  readonly role: Role | null
  /** How the leader reads: on notification (`asleep`), by polling, or in transition. */
  readonly mode: Mode | null
  /** Id of this process among the nodes of the database. */
  readonly node: string
  /** Whether a notification was received since the last connect, which proves that they arrive. */
  readonly listening: boolean
  /** Identities of the models whose changes are published. */
  readonly models: readonly string[]
  /** Models with missing changes until capture is installed again. */
  readonly uncaptured: readonly UncapturedModel[]
  /** The position of this node; null before the first read. */
  readonly cursor: string | null
  /** When the last published change happened, in milliseconds since the epoch. */
  readonly lastChangeAt: number | null
  /** Models with failures to publish within the last hour. Their clients received `refetch`. */
  readonly failures: readonly ModelFailures[]
  /** The outage of this node's publisher backend; null while it is available. */
  readonly outage: PublisherOutage | null
  /** Size of the messages in memory for sockets that return, in bytes. */
  readonly recentBytes: number
}

/**
 * A change feed of Waterline models on PostgreSQL: every committed write of any client is published to the subscribed
 * sockets.
 *
 * Throws `E_OPTIONS` for invalid options and `E_MODEL` for invalid collections. Does not connect yet.
 *
 * @example
 * const feed = createChangefeed({ connectionString, collections: ontology.collections, io })
 * await feed.install()
 * await feed.start()
 *
 * @example
 * // With the record types of all models of the feed, by identity:
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

/** A feed with typed records, by model identity. */
export type TypedChangefeed<Records extends object> = TypedChanges<Records> & Changefeed<keyof Records & string>

/** `Identity`: the model identities that {@link subscribe} accepts. */
export class Changefeed<Identity extends string = string> extends FeedEmitter {
  readonly #settings: Settings
  readonly #models: Models
  readonly #node = randomUUID()
  readonly #failures: Failures
  readonly #publisherWatch = new PublisherWatch(this)
  readonly #catchUpOutcomes = new CatchUpOutcomes()
  #state: FeedState = 'stopped'
  readonly #elsewhere: PublishedElsewhere
  /** Null while the feed is stopped. */
  #running: RunningFeed | null = null
  #starting: Promise<void> = Promise.resolve()

  /** Use {@link createChangefeed}. */
  constructor(settings: Settings) {
    super(settings.logger)
    this.#settings = settings
    this.#failures = new Failures(settings.logger)
    this.#models = selectModels(readModels(settings.collections), settings.models)
    const connection = { ...this.#connection(''), applicationName: 'waterline-changefeed' }
    this.#elsewhere = new PublishedElsewhere({ settings, models: this.#models, connection })
  }

  /**
   * Plans {@link install} without changing anything. Throws `E_CONNECT`, `E_PRIVILEGE`, `E_SCHEMA_OWNER`, `E_VERSION`.
   */
  async plan(flags: InstallFlags = {}): Promise<InstallationPlan> {
    return await this.#installation().plan(flags)
  }

  /** The SQL that lets a role run a listener, for the installing role to execute. Does not connect. */
  grants(role: string): string[] {
    return this.#installation().grants(role)
  }

  /**
   * Creates or updates our schema and the triggers on the models' tables. Does nothing if all is up to date, and
   * changes nothing if there is any problem. Keeps capture that this app does not use unless `prune` is set, and
   * columns that an earlier installation omitted stay omitted unless `reveal` is set.
   *
   * Throws `E_MODEL` if a model cannot be captured, `E_PRIVILEGE`, `E_SCHEMA_OWNER`, `E_LOCKED` if a table stays
   * locked, `E_CONNECT`.
   */
  async install(flags: InstallFlags = {}): Promise<InstallationPlan> {
    return await this.#installation().install(flags)
  }

  /** Removes our triggers from every table and drops our schema, including the change log. */
  async uninstall(): Promise<void> {
    await this.#installation().uninstall()
  }

  /**
   * Starts publishing, and resolves once this node listens. Reconnects without limit after a lost connection. Stops and
   * emits `stopped` if the feed is uninstalled, or updated by a newer version of this package.
   *
   * Throws `E_CONNECT`, `E_STANDBY`, `E_VERSION`, `E_NOT_INSTALLED`, `E_SCHEMA_OWNER`, and `E_STATE` if the feed is
   * already running.
   */
  async start(): Promise<void> {
    if (this.#state !== 'stopped') throw new ChangefeedError('E_STATE', `The feed is ${this.#state}: stop it first.`)
    this.#starting = this.#startUp()
    await this.#starting
  }

  /** Stops after the change being published. Remaining changes are published after the next start. */
  async stop(): Promise<void> {
    await this.#elsewhere.close()
    if (this.#state === 'stopped') return
    this.#state = 'stopping'
    this.#running?.stop()
    await this.#starting.catch(() => {}) // start() reports the error
    await this.#running?.end()
    this.#left()
  }

  /**
   * Subscribes a socket of your own socket.io server to records of a model, or, without `ids`, to its new records, each
   * until it is destroyed. It does not authorize: call it only for records that this client may read. Throws `E_USAGE`
   * for an unknown model and for invalid ids.
   *
   * @example
   * io.on('connection', socket => socket.on('watch pets', () => feed.subscribe(socket, 'pet')))
   */
  async subscribe(socket: Subscriber, identity: Identity, ...ids: SubscriptionIds): Promise<void> {
    await socket.join(roomsOfSubscription(this.#models, identity, ...ids))
  }

  /** Reverses {@link subscribe}. Without `ids`, the socket no longer receives new records. */
  async unsubscribe(socket: Subscriber, identity: Identity, ...ids: SubscriptionIds): Promise<void> {
    for (const room of roomsOfSubscription(this.#models, identity, ...ids)) await socket.leave(room)
  }

  /**
   * Resolves when every change committed before this call has been published. Throws `E_STATE` if the feed is not
   * running or is stopped meanwhile.
   */
  async settled(): Promise<void> {
    const { context } = this.#present
    await context.catchUpWaiters.wait(() => this.#running?.session?.hurry())
  }

  /**
   * How far this node is behind the committed changes; on a standby, how far the leader is. Throws `E_STATE` if the
   * feed is not running.
   */
  async lag(): Promise<Lag> {
    return await this.#present.lag()
  }

  /**
   * The cursor of the last published change. On a node that does not publish, the leader's, up to a second old. Throws
   * `E_STATE` if the feed is not running.
   */
  async cursor(): Promise<string> {
    return await (this.#running ?? this.#publishedElsewhere).cursor()
  }

  /**
   * The transactions that have ended by now, for `createRealtime({ feed })`: a socket that reads a list is left out of messages
   * about changes that the list contains. Undefined if the feed is not running, or does not publish on this node.
   */
  async snapshot(): Promise<FeedSnapshot | undefined> {
    return await this.#running?.context.snapshots.take()
  }

  /**
   * Sends a socket what it missed since `cursor`, in order, in the rooms that it is in now, and joins it to the live messages
   * without a gap or a repeat. Each message has `replayed: true` in its second argument; the event `changefeed` with the verb
   * `caughtUp`, after one with the verb `gap` for models of which messages are missing, ends them. Subscribe the socket first.
   *
   * Throws `E_USAGE` for a malformed cursor, `E_FORBIDDEN` if the policy refuses, `E_DISCONNECTED` if the socket was
   * disconnected meanwhile, and `E_STATE` if the feed is not running or its sockets cannot catch up.
   *
   * @example
   * socket.on('since', async (cursor, answer) => {
   *   await feed.subscribe(socket, 'pet')
   *   answer(await feed.catchUp(socket, { cursor })) // { cursor, replayed: 3 }
   * })
   */
  async catchUp(socket: Socket, request: CatchUpRequest = {}): Promise<CaughtUp> {
    let catchUps: CatchUps
    try {
      catchUps = this.#presentCatchUps
    } catch (error) {
      LiveHold.of(socket.nsp.server).release(socket)
      throw error
    }
    return await catchUps.run(socket, request)
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

  /** Whether this attribute is never captured: it is encrypted, or omitted by the options. */
  omits(identity: string, attribute: string): boolean {
    return this.#models.get(identity)?.attributes.get(attribute)?.captured === false
  }

  status(): FeedStatus {
    const { session, context, catchUps } = this.#running ?? {}
    return {
      state: this.#state === 'running' && !session?.isReady ? 'reconnecting' : this.#state,
      role: session?.role ?? null,
      mode: session?.mode ?? null,
      node: this.#node,
      listening: session?.listening ?? false,
      models: [...this.#models.keys()],
      uncaptured: context?.captureWatch.uncaptured ?? [],
      cursor: cursorOf(session?.position ?? null),
      lastChangeAt: context?.dispatcher.last?.at ?? null,
      failures: this.#failures.recent(),
      outage: session?.role === 'standby' ? null : this.#publisherWatch.outage,
      recentBytes: catchUps?.recentBytes ?? 0,
    }
  }

  /** Throws `E_STATE` if the feed is not running. */
  get #present(): RunningFeed {
    if (this.#running) return this.#running
    throw new ChangefeedError('E_STATE', 'The feed is not running: start it first.')
  }

  /** Throws `E_STATE` if sockets cannot catch up. */
  get #presentCatchUps(): CatchUps {
    const { catchUps } = this.#running ?? this.#publishedElsewhere
    if (catchUps) return catchUps
    throw new ChangefeedError(
      'E_STATE',
      'Sockets of this feed cannot catch up: its option `catchUp` is false, or its publisher has no method `sent`.',
    )
  }

  /** Throws `E_STATE` if each node publishes for itself, as this one does not. */
  get #publishedElsewhere(): PublishedElsewhere {
    if (fanOutOf(this.#settings) === 'cluster') return this.#elsewhere
    throw new ChangefeedError('E_STATE', 'The feed is not running: start it first.')
  }

  async #startUp() {
    this.#state = 'starting'
    try {
      this.#running = this.#createRunning()
      await this.#elsewhere.close()
      await this.#running.start()
    } catch (error) {
      this.#left()
      throw error
    }
  }

  #createRunning(): RunningFeed {
    return new RunningFeed({
      node: this.#node,
      settings: this.#settings,
      models: this.#models,
      connection: { ...this.#connection(''), applicationName: 'waterline-changefeed' },
      events: this,
      failures: this.#failures,
      publisherWatch: this.#publisherWatch,
      catchUpOutcomes: this.#catchUpOutcomes,
      check: db => this.#installation().check(db),
      onReady: () => {
        if (this.#state !== 'stopping') this.#state = 'running'
        this.announce('connected')
      },
      onLost: error => {
        this.#state = 'reconnecting'
        this.#settings.logger.warn('The feed lost the database connection and reconnects', { error: error.message })
        this.announce('disconnected')
        this.report(error)
      },
      onGivenUp: error => {
        this.#left()
        const message = 'The feed has stopped: its schema was removed, or migrated by a newer version'
        this.#settings.logger.error(message, { error: error.message })
        this.report(error)
        this.announce('stopped', error)
      },
    })
  }

  #left() {
    this.#running = null
    this.#state = 'stopped'
  }

  #installation(): Installation {
    return new Installation(this.#settings, this.#models, this.#connection('install'))
  }

  #connection(purpose: string): ConnectionSettings {
    const { connection, schemaOwner } = this.#settings
    return { ...connection, schemaOwner, applicationName: `waterline-changefeed ${purpose}` }
  }
}
