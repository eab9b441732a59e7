import { captureRejectionSymbol, EventEmitter } from 'node:events'
import { asError } from '../errors.ts'
import type { PublisherOutage } from '../leader/node-health.ts'
import { type Logger, silentLogger } from '../logger.ts'
import type { MessageMeta, RecordEvent, RefetchEvent } from '../publish/mapping/record-event.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import type { SlowClient } from '../publish/socketio/client-buffers.ts'

/** A change that was read, before it is published. */
export interface ChangeEvent extends Omit<RowChange, 'model' | 'old' | 'new' | 'changed'> {
  readonly identity: string
  readonly changed: readonly string[]
  /** Socket id of the request that wrote it, or the transaction's `changefeed.origin`. */
  readonly origin?: string
  readonly meta: MessageMeta
}

export type ChangeHandler = (change: ChangeEvent) => unknown

export interface PublishedEvent {
  readonly event: RecordEvent
  readonly meta: MessageMeta
  /** Until publishing was completed. */
  readonly tookMs: number
}

export interface SkippedEvent {
  /** Model identity. */
  readonly identity: string
  readonly cursor: string
  readonly error: Error
}

/** A skipped change of a paused model. */
export interface WithheldEvent {
  readonly identity: string
  readonly cursor: string
}

/** One read of the change log. */
export interface ReadEvent {
  /** True for a read caused by a notification, false for a poll. */
  readonly woken: boolean
  readonly changes: number
  /** Time spent in the database. */
  readonly readMs: number
  /** Time spent publishing. */
  readonly publishMs: number
}

export interface GapEvent {
  readonly reason: RefetchEvent['reason']
  readonly identities: readonly string[]
}

/** Events of a feed. Without a listener for `error`, errors are only logged. */
export interface ChangefeedEvents {
  change: [ChangeEvent]
  published: [PublishedEvent]
  /** A change whose mapping or publishing threw. The feed continues. */
  skipped: [SkippedEvent]
  withheld: [WithheldEvent]
  read: [ReadEvent]
  /** Changes are missing. Clients were sent `refetch`. */
  gap: [GapEvent]
  /** A failure that the feed recovers from by itself, such as a lost connection. */
  error: [Error]
  /** The publisher's backend is unavailable and the feed waits; null when it is available again. */
  outage: [PublisherOutage | null]
  /** A client of `io` was disconnected because it did not read its messages. */
  slowClient: [SlowClient]
  /** A socket has received what it missed. */
  caughtUp: [CaughtUpEvent]
  /** A socket asked for what it missed, and did not receive it. */
  catchUpFailed: [CatchUpFailedEvent]
  /** A range of the change log was needed for a socket that returned. */
  rangeRead: [RangeReadEvent]
  /** True when this node becomes the leader, false when it stops leading. */
  leader: [boolean]
  connected: []
  disconnected: []
  /** The feed stopped itself: its schema is no longer installed (`E_NOT_INSTALLED`) or is newer (`E_VERSION`). */
  stopped: [Error]
}

/** What a socket that caught up received. */
export interface CaughtUpEvent {
  /** Number of messages that were sent again. */
  readonly replayed: number
  /** Models of which messages are missing, with the reason. */
  readonly gaps?: readonly { readonly reason: string; readonly identities: readonly string[] }[]
}

export interface CatchUpFailedEvent {
  /**
   * `refused` by the policy, `malformed` cursor or a request while another one runs, `disconnected` meanwhile, or `failed`,
   * for example because the database did not respond.
   */
  readonly outcome: 'refused' | 'malformed' | 'disconnected' | 'failed'
  readonly error: Error
}

export interface RangeReadEvent {
  /** Whether it was in memory, or another socket had asked for it, so that the log was not read. */
  readonly isShared: boolean
  /** Until it was available. */
  readonly tookMs: number
}

export class FeedEmitter extends EventEmitter<ChangefeedEvents> {
  readonly #logger: Logger
  readonly #handlers = new Set<ChangeHandler>()

  constructor(logger: Logger = silentLogger) {
    super({ captureRejections: true })
    this.#logger = logger
    // Handles rejections of async listeners. Defined as a property, since a method would have to match the types of
    // every version of @types/node.
    const rejected = (error: unknown, event: string | symbol) => this.#failed(String(event), error)
    Object.defineProperty(this, captureRejectionSymbol, { value: rejected })
  }

  /**
   * Like `on('change', ...)`, but the feed waits for the returned promise before it publishes this change and reads the
   * next, so changes are handled one at a time and in order. After a crash, the changes of the last second may be
   * repeated with the same cursors. An error is logged and emitted as `error`, and the feed continues. Returns a
   * function that removes the handler.
   *
   * @example
   * const remove = feed.onChange(async ({ identity, record }) => { await index(identity, record) })
   */
  onChange(handler: ChangeHandler): () => void {
    const own: ChangeHandler = change => handler(change)
    this.#handlers.add(own)
    return () => void this.#handlers.delete(own)
  }

  /** Emits `change`, then runs the handlers one at a time. */
  async announceChange(change: ChangeEvent): Promise<void> {
    this.announce('change', change)
    for (const handler of this.#handlers) {
      try {
        await handler(change)
      } catch (error) {
        this.#failed('change', error)
      }
    }
  }

  /** Emits an event. A listener's error is logged; it must not affect the change or the session. */
  announce<E extends keyof ChangefeedEvents>(event: E, ...args: ChangefeedEvents[E]): void {
    try {
      this.emit(event, ...(args as never))
    } catch (thrown) {
      this.#failed(event, thrown)
    }
  }

  /** Emits `error` if it has a listener. Without one, emitting it would end the process. */
  report(error: Error): void {
    if (this.listenerCount('error') > 0) this.announce('error', error)
  }
  #failed(event: string, thrown: unknown) {
    this.#logger.error('A listener of the feed failed', { event, error: asError(thrown).message })
    if (event !== 'error') this.report(asError(thrown))
  }
}
