const MINUTE_MS = 60_000
const MINUTES = 60

/** Counts what happened within the last hour, to the minute. */
export class HourlyCount {
  /** By minute since the epoch, oldest first. */
  readonly #byMinute = new Map<number, number>()

  /** `now` in milliseconds since the epoch. */
  add(now: number): void {
    const minute = Math.floor(now / MINUTE_MS)
    this.#byMinute.set(minute, (this.#byMinute.get(minute) ?? 0) + 1)
  }

  total(now: number): number {
    for (const minute of this.#byMinute.keys()) {
      if (minute > now / MINUTE_MS - MINUTES) break
      this.#byMinute.delete(minute)
    }
    return [...this.#byMinute.values()].reduce((sum, count) => sum + count, 0)
  }
}
