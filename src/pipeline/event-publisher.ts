import { setTimeout as sleep } from 'node:timers/promises'
import { type Backoff, backoffMs } from '../backoff.ts'
import { asError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { MessageMeta, RecordEvent } from '../publish/mapping/record-event.ts'
import type { Publisher } from '../publish/publisher.ts'
import { TimeSlice } from '../publish/time-slice.ts'
import { assertMayPublish, type DispatchContext } from './dispatch-context.ts'
import type { FeedEmitter } from './events.ts'
import type { PublisherWatch } from './publisher-watch.ts'

const RETRY: Backoff = { firstMs: 100, lastMs: 5_000 }

export interface EventPublisherParts {
  readonly publisher: Publisher
  readonly publisherWatch: PublisherWatch
  readonly events: FeedEmitter
  readonly logger: Logger
}

/** Publishes one event at a time, and yields to the event loop in between. */
export class EventPublisher {
  readonly #parts: EventPublisherParts
  readonly #slice = new TimeSlice()
  /** True from the first attempt at an event to the last. A reachable backend may still reject messages. */
  #isPublishing = false

  constructor(parts: EventPublisherParts) {
    this.#parts = parts
  }

  /** Starts a time slice. Call after reading a page, when the event loop has just turned. */
  begin(): void {
    this.#slice.begin()
  }

  /** Call before each piece of work. Costs nothing until the time slice is used up. */
  async shareEventLoop(): Promise<void> {
    if (!this.#slice.isOver) return
    await this.#slice.next()
    await this.drained()
  }

  /** Waits, within limits, while the publisher has too much buffered. */
  async drained(): Promise<void> {
    await this.#parts.publisher.drained?.()
  }

  /**
   * Publishes an event, and retries it while the publisher's backend is unavailable, so that nothing is lost. Throws
   * other errors of the publisher, `LeadershipLost`, and the signal's reason.
   */
  async publish(event: RecordEvent, meta: MessageMeta, context: DispatchContext): Promise<void> {
    this.#isPublishing = true
    try {
      await this.#publishUntilTaken(event, meta, context)
    } finally {
      this.#isPublishing = false
    }
  }

  async #publishUntilTaken(event: RecordEvent, meta: MessageMeta, context: DispatchContext): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.shareEventLoop()
      assertMayPublish(context)
      try {
        return await this.#publish(event, meta)
      } catch (error) {
        if ((error as { retryable?: unknown } | null)?.retryable !== true) throw error
        this.#parts.logger.warn('The publisher is unavailable: the feed waits and retries', {
          error: (error as Error).message,
        })
        this.#parts.publisherWatch.failed(error as Error)
        this.#parts.events.report(error as Error)
        await sleep(backoffMs(attempt, RETRY), undefined, { signal: context.signal })
      }
    }
  }

  /** Checks the publisher's backend while no event is being published. Never throws. */
  async check(): Promise<void> {
    const { publisher, publisherWatch } = this.#parts
    if (!publisher.check || this.#isPublishing) return
    const outcome = await publisher.check().then(() => undefined, asError)
    if (this.#isPublishing) return
    if (outcome) publisherWatch.failed(outcome)
    else publisherWatch.succeeded()
  }

  async #publish(event: RecordEvent, meta: MessageMeta) {
    const started = performance.now()
    const result = this.#parts.publisher.publish(event, meta)
    if (result) await result
    this.#parts.publisherWatch.succeeded()
    this.#parts.events.announce('published', { event, meta, tookMs: performance.now() - started })
  }
}
