import { captureRejectionSymbol, EventEmitter } from 'node:events'
import { asError } from '../errors.ts'
import type { PublisherOutage } from '../leader/node-health.ts'
import { type Logger, silentLogger } from '../logger.ts'
import type { MessageMeta, RecordEvent, RefetchEvent } from '../publish/mapping/record-event.ts'
import type { RowChange } from '../publish/mapping/row-change.ts'
import type { SlowClient } from '../publish/socketio/client-buffers.ts'

/** A change that was read, on its way to the publisher. */
export interface ChangeEvent extends Omit<RowChange, 'model' | 'old' | 'new' | 'changed'> {
  readonly identity: string
  readonly changed: readonly string[]
  /** Id of the socket whose request wrote it, or what the transaction set as `changefeed.origin`. */
  readonly origin?: string
  readonly meta: MessageMeta
}

export type ChangeHandler = (change: ChangeEvent) => unknown

export interface PublishedEvent {
  readonly event: RecordEvent
  readonly meta: MessageMeta
  /** Until the publisher was done with it. */
  readonly tookMs: number
}

export interface SkippedEvent {
  /** Model identity. */
  readonly identity: string
  readonly cursor: string
  readonly error: Error
}

/** A change of a model whose publishing is paused; it was passed over. */
export interface WithheldEvent {
  readonly identity: string
  readonly cursor: string
}

/** One look at the change log. */
export interface ReadEvent {
  /** Whether a notification caused it; otherwise it was a poll. */
  readonly woken: boolean
  readonly changes: number
  /** What the database took for it. */
  readonly readMs: number
  /** What publishing took. */
  readonly publishMs: number
}

export interface GapEvent {
  readonly reason: RefetchEvent['reason']
  readonly identities: readonly string[]
}

/** What a feed tells of itself. Without a listener for `error`, errors are only logged. */
export interface ChangefeedEvents {
  change: [ChangeEvent]
  published: [PublishedEvent]
  /** A change whose mapping or publishing threw; the feed went on. */
  skipped: [SkippedEvent]
  withheld: [WithheldEvent]
  read: [ReadEvent]
  /** Changes are missing; the clients were told to read again. */
  gap: [GapEvent]
  /** Something failed that the feed recovers from by itself, as a lost connection. */
  error: [Error]
  /** The publisher's backend takes no messages, so the feed waits; null when it takes them again. */
  outage: [PublisherOutage | null]
  /** A client of `io` that did not read what it was sent was disconnected. */
  slowClient: [SlowClient]
  /** Whether this node leads from now on. */
  leader: [boolean]
  connected: []
  disconnected: []
  /** The feed has ended by itself: what it reads is no longer installed (`E_NOT_INSTALLED`), or is newer (`E_VERSION`). */
  stopped: [Error]
}

export class FeedEmitter extends EventEmitter<ChangefeedEvents> {
  readonly #logger: Logger
  readonly #handlers = new Set<ChangeHandler>()

  constructor(logger: Logger = silentLogger) {
    super({ captureRejections: true })
    this.#logger = logger
    // Of a listener that returns a promise. A method would have to fit the types of every version of @types/node.
    const rejected = (error: unknown, event: string | symbol) => this.#failed(String(event), error)
    Object.defineProperty(this, captureRejectionSymbol, { value: rejected })
  }

  /**
   * Like `on('change', ...)`, but the feed waits for a returned promise before it publishes this change and reads the next:
   * changes are handled one after the other, in their order. After a crash the last second of changes may come again, with
   * the same cursors. An error is logged and emitted as `error`, and the feed goes on. Returns a function that removes the
   * handler.
   *
   * @example
   * const remove = feed.onChange(async ({ identity, record }) => { await index(identity, record) })
   */
  onChange(handler: ChangeHandler): () => void {
    const own: ChangeHandler = change => handler(change)
    this.#handlers.add(own)
    return () => void this.#handlers.delete(own)
  }

  /** Emits `change`, then runs the handlers one after the other. */
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

  /** Emits an event. An error of a listener is logged: it must not cost a change, or the session. */
  announce<E extends keyof ChangefeedEvents>(event: E, ...args: ChangefeedEvents[E]): void {
    try {
      this.emit(event, ...(args as never))
    } catch (thrown) {
      this.#failed(event, thrown)
    }
  }

  /** An `error` without a listener would end the process. */
  report(error: Error): void {
    if (this.listenerCount('error') > 0) this.announce('error', error)
  }
  #failed(event: string, thrown: unknown) {
    this.#logger.error('A listener of the feed failed', { event, error: asError(thrown).message })
    if (event !== 'error') this.report(asError(thrown))
  }
}
