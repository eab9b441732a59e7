import type { Position } from '../change-log/position.ts'
import type { ConnectionSettings, Database } from '../db/connect.ts'
import type { Logger } from '../logger.ts'
import type { Settings } from '../options.ts'
import type { Dispatcher } from '../pipeline/dispatcher.ts'
import type { FeedEmitter } from '../pipeline/events.ts'
import type { Failures } from '../pipeline/failures.ts'
import type { Pauses } from '../pipeline/pauses.ts'
import type { PublisherWatch } from '../pipeline/publisher-watch.ts'
import type { FanOut } from '../publish/fan-out.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { CaptureWatch } from './capture-watch.ts'
import type { CatchUpOutcomes } from './catch-up-outcomes.ts'
import type { CatchUpWaiters } from './catch-up-waiters.ts'
import type { FeedSnapshots } from './feed-snapshots.ts'

/** Learns which positions this node publishes from. */
export interface PublishingObserver {
  /** This node publishes what follows the position, and nothing else before. */
  begin(position: Position): void
  /** Another node may publish from now on. */
  stop(): void
}

/** State that survives a lost connection and is shared by the sessions of a feed. */
export interface FeedContext {
  /** Id of this process among the nodes of the database. */
  readonly node: string
  readonly settings: Settings
  readonly connection: ConnectionSettings
  readonly db: Database
  readonly dispatcher: Dispatcher
  readonly catchUpWaiters: CatchUpWaiters
  readonly snapshots: FeedSnapshots
  readonly pauses: Pauses
  readonly captureWatch: CaptureWatch
  readonly publisherWatch: PublisherWatch
  readonly failures: Failures
  readonly catchUpOutcomes: CatchUpOutcomes
  readonly events: FeedEmitter
  readonly logger: Logger
  readonly publisher: Publisher
  readonly publishing: PublishingObserver
  readonly fanOut: FanOut
  /** Throws if our schema is missing, or of a version that this one would misread. */
  check(): Promise<void>
}
