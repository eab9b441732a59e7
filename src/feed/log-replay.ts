import type { LoggedChange } from '../change-log/change.ts'
import type { Position } from '../change-log/position.ts'
import { ChangeLogReader, READER_SETTINGS } from '../change-log/reader.ts'
import { type Client, connectClient, type Database } from '../db/connect.ts'
import { assertSchemaTrusted } from '../db/schema-trust.ts'
import { type Identity, readIdentity } from '../leader/database-identity.ts'
import { type Backend, backendOf } from '../leader/lease.ts'
import type { Models } from '../models/model.ts'
import type { Settings } from '../options.ts'
import { createDispatcher } from '../pipeline/create-dispatcher.ts'
import type { Dispatcher } from '../pipeline/dispatcher.ts'
import { FeedEmitter } from '../pipeline/events.ts'
import { Failures } from '../pipeline/failures.ts'
import { Pauses } from '../pipeline/pauses.ts'
import { PublisherWatch } from '../pipeline/publisher-watch.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { PublishedChanges } from './published-changes.ts'
import { type Destination, resumedAt, TickReader } from './tick-reader.ts'

export interface LogReplayParts {
  readonly db: Database
  readonly settings: Settings
  readonly models: Models
  readonly publisher: Publisher
}

export interface ReplayRange {
  readonly from: Position
  /** What has been published before, for a reader that goes on. @default nothing */
  readonly published?: PublishedChanges
  /** Id of the last tick to publish. */
  readonly until: bigint
  /** Selects the changes to publish. */
  readonly wants: (change: LoggedChange) => boolean
  /** Stops the replay between two changes. */
  readonly signal: AbortSignal
  /** Called after each page. */
  readonly onPage?: (changes: number) => void
}

/**
 * Publishes changes of the log again, to another publisher and without affecting the feed or its position. It reads the
 * ticks of the leader, so messages have the same cursors.
 */
export class LogReplay {
  /** `skipped` reports changes that could not be published. */
  readonly events = new FeedEmitter()
  readonly #parts: LogReplayParts
  readonly #client: Client
  readonly #dispatcher: Dispatcher
  #tickReader: TickReader | null = null

  private constructor(parts: LogReplayParts, client: Client) {
    const { db, settings, models, publisher } = parts
    this.#parts = parts
    this.#client = client
    const pauses = new Pauses(db, 'cluster') // ignores pauses, since the replay was requested
    const failures = new Failures(settings.logger)
    const publisherWatch = new PublisherWatch(this.events)
    const dispatcher = { db, publisher, publisherWatch, pauses, failures, events: this.events }
    this.#dispatcher = createDispatcher(settings, models, dispatcher)
  }

  /** Throws `E_CONNECT`. */
  static async open(parts: LogReplayParts, purpose: string): Promise<LogReplay> {
    const applicationName = `waterline-changefeed ${purpose} reader`
    const client = await connectClient({ ...parts.settings.connection, applicationName }, () => {})
    await assertSchemaTrusted(client, parts.settings)
    await client.query(READER_SETTINGS)
    return new LogReplay(parts, client)
  }

  /** The server process that reads. */
  async backend(): Promise<Backend> {
    return await backendOf(this.#client)
  }

  /** Of the database that it reads. */
  async identity(): Promise<Identity> {
    return await readIdentity(this.#client)
  }

  /** How far it got, also where {@link publish} failed; null before it began. */
  get position(): Position | null {
    return this.#tickReader?.position ?? null
  }

  /** Publishes one range and returns the position after it. */
  async publish({ from, published, until, wants, signal, onPage }: ReplayRange): Promise<Position> {
    const { db, settings } = this.#parts
    const resumed = published ? { position: from, published } : resumedAt(from)
    const tickReader = new TickReader(db, new ChangeLogReader(this.#client, settings.schema), resumed)
    this.#tickReader = tickReader
    const context = { signal, check() {} }
    this.#dispatcher.restart()
    const destination: Destination = {
      deliver: async (page, done) => {
        const wanted = page.filter(change => change.cursor.tick <= until && wants(change))
        await this.#dispatcher.deliver(wanted, done, context)
        onPage?.(wanted.length)
      },
      completeTick: disordered => this.#dispatcher.completeTick(disordered, tickReader.position, context),
    }
    while (tickReader.position.tick.id < until && !signal.aborted) {
      if (!(await tickReader.follow(destination, until))) break
    }
    return tickReader.position
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}
