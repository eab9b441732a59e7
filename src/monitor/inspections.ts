import type { Changefeed } from '../changefeed.ts'
import type { Finding } from '../doctor/finding.ts'
import { repeat } from '../feed/repeat.ts'

const EXAMINE_MS = 60_000
const CHECK_MS = 1_000

/** The last result of the doctor. */
export interface Inspected {
  /** In milliseconds since the epoch. */
  readonly at: number
  readonly findings: readonly Finding[]
  /** The error message if the last run failed; the findings are then those of an earlier run. */
  readonly failure: string | null
}

/**
 * Runs the doctor once a minute, independently of the number of page views, and immediately when the state of the feed
 * changes. Keeps the last findings while the database does not respond.
 */
export class Inspections {
  readonly #feed: Changefeed
  readonly #examine: () => Promise<readonly Finding[]>
  readonly #stop: () => void
  #startedAt = Number.NEGATIVE_INFINITY
  #feedState = ''
  #last: Inspected | null = null

  constructor(feed: Changefeed, examine: () => Promise<readonly Finding[]>) {
    this.#feed = feed
    this.#examine = examine
    this.#stop = repeat(
      CHECK_MS,
      () => this.#check(),
      () => {},
    )
    void this.#check()
  }

  /** Null before the first run. */
  get last(): Inspected | null {
    return this.#last
  }

  end(): void {
    this.#stop()
  }

  async #check() {
    const feedState = stateOf(this.#feed)
    if (feedState === this.#feedState && performance.now() - this.#startedAt < EXAMINE_MS) return
    this.#feedState = feedState
    this.#startedAt = performance.now()
    try {
      this.#last = { at: Date.now(), findings: await this.#examine(), failure: null }
    } catch (error) {
      const { at = Date.now(), findings = [] } = this.#last ?? {}
      this.#last = { at, findings, failure: (error as Error).message }
    }
  }
}

/** The parts of the feed's status that affect the doctor's findings. */
function stateOf(feed: Changefeed): string {
  const { state, role, listening, uncaptured, outage, failures } = feed.status()
  return JSON.stringify([state, role, listening, uncaptured, outage?.since, failures.map(({ identity }) => identity)])
}
