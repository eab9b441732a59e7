import type { PublisherOutage } from '../leader/node-health.ts'
import type { FeedEmitter } from './events.ts'
import { bounded } from './failures.ts'

/** Tracks since when the publisher's backend has been unavailable. */
export class PublisherWatch {
  readonly #events: FeedEmitter
  #outage: PublisherOutage | null = null

  constructor(events: FeedEmitter) {
    this.#events = events
  }

  get outage(): PublisherOutage | null {
    return this.#outage
  }

  failed({ message }: Error): void {
    const began = this.#outage === null
    this.#outage = { since: this.#outage?.since ?? Date.now(), reason: bounded(message) }
    if (began) this.#events.announce('outage', this.#outage)
  }

  succeeded(): void {
    if (this.#outage === null) return
    this.#outage = null
    this.#events.announce('outage', null)
  }
}
