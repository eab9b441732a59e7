import type { Changefeed } from '../changefeed.ts'
import type { Finding } from '../doctor/finding.ts'
import { repeat } from '../feed/repeat.ts'

const EXAMINE_MS = 60_000
const LOOK_MS = 1_000

/** What the doctor found, and when. */
export interface Inspected {
  /** In milliseconds since the epoch. */
  readonly at: number
  readonly findings: readonly Finding[]
  /** Why the doctor could not look again since; null where it could. */
  readonly failure: string | null
}

/**
 * Calls the doctor once a minute, so that a page that is looked at does not keep the database busy, and at once when the
 * feed itself notices that something changed. What was found last stays while the database does not answer.
 */
export class Inspections {
  readonly #feed: Changefeed
  readonly #examine: () => Promise<readonly Finding[]>
  readonly #stop: () => void
  #startedAt = Number.NEGATIVE_INFINITY
  #noticed = ''
  #last: Inspected | null = null

  constructor(feed: Changefeed, examine: () => Promise<readonly Finding[]>) {
    this.#feed = feed
    this.#examine = examine
    this.#stop = repeat(
      LOOK_MS,
      () => this.#look(),
      () => {},
    )
    void this.#look()
  }

  /** Null where the doctor has not looked yet. */
  get last(): Inspected | null {
    return this.#last
  }

  end(): void {
    this.#stop()
  }

  async #look() {
    const noticed = noticedBy(this.#feed)
    if (noticed === this.#noticed && performance.now() - this.#startedAt < EXAMINE_MS) return
    this.#noticed = noticed
    this.#startedAt = performance.now()
    try {
      this.#last = { at: Date.now(), findings: await this.#examine(), failure: null }
    } catch (error) {
      const { at = Date.now(), findings = [] } = this.#last ?? {}
      this.#last = { at, findings, failure: (error as Error).message }
    }
  }
}

/** Where this differs, the doctor will find something else. */
function noticedBy(feed: Changefeed): string {
  const { state, role, listening, uncaptured, outage, failures } = feed.status()
  return JSON.stringify([state, role, listening, uncaptured, outage?.since, failures.map(({ identity }) => identity)])
}
