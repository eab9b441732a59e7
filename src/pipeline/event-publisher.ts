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

/** Publishes one event after the other, and shares the event loop with the rest of the process meanwhile. */
export class EventPublisher {
  readonly #parts: EventPublisherParts
  readonly #slice = new TimeSlice()
  /** From the first attempt at an event to the last: a backend that answers may refuse messages all the same. */
  #isPublishing = false

  constructor(parts: EventPublisherParts) {
    this.#parts = parts
  }

  /** To be called when the event loop has just turned: after the reading of a page. */
  begin(): void {
    this.#slice.begin()
  }

  /** To be called before each piece of work. Costs nothing until the time slice is over. */
  async shareEventLoop(): Promise<void> {
    if (!this.#slice.isOver) return
    await this.#slice.next()
    await this.drained()
  }

  /** Waits, within bounds, while the publisher has more to send than it should keep in memory. */
  async drained(): Promise<void> {
    await this.#parts.publisher.drained?.()
  }

  /**
   * While the publisher's backend is down nothing is lost: the same event is made again, until it comes back. Throws what
   * else the publisher throws, `LeadershipLost`, and the reason of the signal.
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
        this.#parts.logger.warn('The publisher is not ready; the feed waits', { error: (error as Error).message })
        this.#parts.publisherWatch.failed(error as Error)
        this.#parts.events.report(error as Error)
        await sleep(backoffMs(attempt, RETRY), undefined, { signal: context.signal })
      }
    }
  }

  /** Learns whether the publisher's backend is there, while no event of ours tells. Never throws. */
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
