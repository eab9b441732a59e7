import type { Changefeed } from '../changefeed.ts'
import { repeat } from '../feed/repeat.ts'
import { withReverse } from './verb.ts'

const SAMPLE_MS = 1_000
const SAMPLES = 600
/** Measures the lag less often, because counting a backlog is expensive. */
const SAMPLES_PER_LAG = 5
const RECENT = 50

/** One message, without the content of the record. */
export interface RecentMessage {
  readonly at: number
  readonly verb: string
  readonly model: string
  readonly id: string | null
  /** From the change of the row to its publication. */
  readonly latencyMs: number
  readonly cursor: string
}

export interface Sample {
  /** Seconds since the epoch. */
  readonly time: number
  readonly messagesPerSecond: number
  /** Null if not measured. */
  readonly lagSeconds: number | null
  readonly lagChanges: number | null
}

/** Samples of the last ten minutes of a feed and its latest messages, for the status page. */
export class RecentActivity {
  readonly #feed: Changefeed
  readonly #samples: Sample[] = []
  readonly #recent: RecentMessage[] = []
  readonly #stop: () => void
  #messages = 0
  #sampledAt = performance.now()
  #taken = 0

  constructor(feed: Changefeed) {
    this.#feed = feed
    feed.on('published', ({ event, meta }) => {
      for (const { identity, verb, ...rest } of withReverse(event)) {
        this.#messages++
        const id = 'id' in rest ? String(rest.id) : null
        const latencyMs = Math.max(0, Date.now() - meta.at)
        this.#recent.unshift({
          at: meta.at,
          verb,
          model: identity,
          id,
          latencyMs,
          cursor: meta.cursor,
        })
      }
      this.#recent.length = Math.min(this.#recent.length, RECENT)
    })
    this.#stop = repeat(
      SAMPLE_MS,
      () => this.#sample(),
      () => {},
    )
  }

  /** Oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples
  }

  /** Newest first. */
  get recent(): readonly RecentMessage[] {
    return this.#recent
  }

  end(): void {
    this.#stop()
  }

  async #sample() {
    const measures = this.#taken++ % SAMPLES_PER_LAG === 0
    const lag = measures ? await this.#feed.lag().catch(() => null) : null
    const now = performance.now()
    const messagesPerSecond = this.#messages / ((now - this.#sampledAt) / 1000)
    this.#messages = 0
    this.#sampledAt = now
    this.#samples.push({
      time: Math.round(Date.now() / 1000),
      messagesPerSecond: Math.round(messagesPerSecond * 10) / 10,
      lagSeconds: lag?.seconds ?? null,
      lagChanges: lag?.changes ?? null,
    })
    if (this.#samples.length > SAMPLES) this.#samples.shift()
  }
}
