import { setTimeout as sleep } from 'node:timers/promises'
import { type Backoff, backoffMs } from './backoff.ts'
import type { CatchUps } from './catch-up/catch-ups.ts'
import { createCatchUps } from './catch-up/create-catch-ups.ts'
import { type Lag, readLag } from './change-log/lag.ts'
import { cursorOf, publishedPosition } from './change-log/position.ts'
import { type ConnectionSettings, type Database, openDatabase } from './db/connect.ts'
import { ChangefeedError } from './errors.ts'
import { CaptureWatch } from './feed/capture-watch.ts'
import type { CatchUpOutcomes } from './feed/catch-up-outcomes.ts'
import { CatchUpWaiters } from './feed/catch-up-waiters.ts'
import type { FeedContext } from './feed/context.ts'
import { createPublisher, fanOutOf } from './feed/create-publisher.ts'
import { FeedSnapshots } from './feed/feed-snapshots.ts'
import { Session } from './feed/session.ts'
import type { SessionCheckpoint } from './feed/tick-reader.ts'
import { readDeliveryLag } from './leader/delivery-lag.ts'
import type { Models } from './models/model.ts'
import { AbortController } from './node-globals.ts'
import type { Settings } from './options.ts'
import { createDispatcher } from './pipeline/create-dispatcher.ts'
import type { FeedEmitter } from './pipeline/events.ts'
import type { Failures } from './pipeline/failures.ts'
import { Pauses } from './pipeline/pauses.ts'
import type { PublisherWatch } from './pipeline/publisher-watch.ts'

const RECONNECT: Backoff = { firstMs: 100, lastMs: 10_000 }

export interface RunningFeedParts {
  /** Id of this process among the nodes of the database. */
  readonly node: string
  readonly settings: Settings
  readonly models: Models
  readonly connection: ConnectionSettings
  readonly events: FeedEmitter
  readonly failures: Failures
  readonly publisherWatch: PublisherWatch
  readonly catchUpOutcomes: CatchUpOutcomes
  /** Throws if our schema is missing, or of a version that this one would misread. */
  check(db: Database): Promise<void>
  /** This node listens, for the first time or again. */
  onReady(): void
  /** A connection is lost. The next session follows. */
  onLost(error: Error): void
  /** The feed has closed itself, because of its schema. */
  onGivenUp(error: ChangefeedError): void
}

/** A feed from its start to its end: what its sessions share, and one session after another. */
export class RunningFeed {
  readonly context: FeedContext
  /** Null if sockets cannot catch up. */
  readonly catchUps: CatchUps | null
  readonly #parts: RunningFeedParts
  readonly #stopping = new AbortController()
  #session: Session | null = null
  #ended: Promise<void> = Promise.resolve()

  constructor(parts: RunningFeedParts) {
    this.#parts = parts
    const { settings, models, connection, events, publisherWatch, failures, catchUpOutcomes } = parts
    const { logger, formatCommand } = settings
    const db = openDatabase(connection, settings.schema)
    const fanOut = fanOutOf(settings)
    const { publisher, publishing, catchUps } = createCatchUps({
      db,
      settings,
      models,
      fanOut,
      publisher: createPublisher(settings, {
        models,
        fanOut,
        onDisconnect: client => void events.announce('slowClient', client),
      }),
      position: () => this.#session?.position ?? null,
      cursor: () => this.cursor(),
      onCaughtUp: outcome => {
        catchUpOutcomes.note(outcome.gaps?.[0]?.reason ?? 'complete')
        events.announce('caughtUp', outcome)
      },
      onFailed: failed => {
        catchUpOutcomes.note(failed.outcome)
        events.announce('catchUpFailed', failed)
      },
      onRange: range => events.announce('rangeRead', range),
    })
    this.catchUps = catchUps
    const pauses = new Pauses(db, fanOut)
    const publishes = () => fanOut === 'local' || this.#session?.role === 'leader'
    const captureWatch = new CaptureWatch({ db, logger, publishes, formatCommand })
    const { onCaptures } = captureWatch
    const dispatch = { db, publisher, publisherWatch, pauses, failures, events, onCaptures }
    this.context = {
      node: parts.node,
      settings,
      connection,
      db,
      dispatcher: createDispatcher(settings, models, dispatch),
      catchUpWaiters: new CatchUpWaiters(db),
      snapshots: new FeedSnapshots(db, () => this.#session),
      publisher,
      publishing,
      pauses,
      captureWatch,
      publisherWatch,
      failures,
      catchUpOutcomes,
      events,
      logger,
      fanOut,
      check: () => parts.check(db),
    }
  }

  /** Null while disconnected. */
  get session(): Session | null {
    return this.#session
  }

  /** Resolves once the first session is ready. If that cannot start, closes the feed and rejects. */
  async start(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#ended = this.#run(resolve, reject)
      })
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  /** Ends the session after the change that is being published. {@link end} waits for it. */
  stop(): void {
    this.#stopping.abort()
    this.#session?.stop()
  }

  /** Resolves when the last session has ended, and all is closed. */
  async end(): Promise<void> {
    await this.#ended
    await this.#close()
  }

  /** How far this node is behind the committed changes; on a standby, how far the leader is. */
  async lag(): Promise<Lag> {
    const { db } = this.context
    const { role, position } = this.#session ?? {}
    return role !== 'standby' && position ? await readLag(db, position) : await readDeliveryLag(db)
  }

  /** The cursor of the last published change. On a node that does not publish, the leader's, up to a second old. */
  async cursor(): Promise<string> {
    const position = this.#session?.position ?? (await publishedPosition(this.context.db))
    return cursorOf(position) ?? ''
  }

  /** Runs one session after another. If the first cannot start, gives up; later, only {@link stop} or the schema ends the loop. */
  async #run(onFirstReady: () => void, onFailure: (error: unknown) => void) {
    let checkpoint: SessionCheckpoint | null = null
    let failures = 0
    let everReady = false
    while (!this.#stopping.signal.aborted) {
      const session = new Session(this.context, checkpoint)
      this.#session = session
      try {
        await session.run(() => {
          failures = 0
          everReady = true
          this.#parts.onReady()
          onFirstReady()
        })
      } catch (error) {
        this.#session = null
        if (!everReady) return onFailure(error)
        if (isIncompatible(error)) return await this.#giveUp(error)
        if (!this.#stopping.signal.aborted) this.#parts.onLost(error as Error)
        await this.#backOff(++failures)
      }
      checkpoint = session.checkpoint
      this.#session = null
    }
    if (!everReady) onFailure(new ChangefeedError('E_STATE', 'The feed was stopped while it started.'))
  }

  async #giveUp(error: ChangefeedError) {
    if (this.#stopping.signal.aborted) return
    await this.#close()
    this.#parts.onGivenUp(error)
  }

  /** Adds jitter, so that many nodes do not reconnect at once. */
  async #backOff(failures: number) {
    const ceiling = backoffMs(failures, RECONNECT)
    await sleep(ceiling * (0.5 + Math.random() / 2), undefined, { signal: this.#stopping.signal }).catch(() => {})
  }

  async #close() {
    this.context.catchUpWaiters.abandon()
    await this.catchUps?.close()
    await this.context.db.close()
  }
}

/**
 * Reconnecting is pointless: the feed was uninstalled while running, or a newer version migrated the schema to a state that this
 * version would misread.
 */
const isIncompatible = (error: unknown): error is ChangefeedError =>
  error instanceof ChangefeedError && ['E_NOT_INSTALLED', 'E_VERSION'].includes(error.code)
