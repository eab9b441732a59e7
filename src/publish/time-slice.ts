/** How long publishing may block the event loop, in milliseconds. The resulting socket writes take about as long again. */
const SLICE_MS = 4

/**
 * Divides work into time slices, so that timers, requests and socket writes run during long publishing. By time rather than
 * by count, because one message to 2,000 sockets costs as much as 2,000 messages to one.
 */
export class TimeSlice {
  #endsAt = 0

  get isOver(): boolean {
    return performance.now() >= this.#endsAt
  }

  begin(): void {
    this.#endsAt = performance.now() + SLICE_MS
  }

  /** Yields to the event loop and begins the next slice. */
  async next(): Promise<void> {
    await eventLoopTurn()
    this.begin()
  }
}

/** Resolves after the event loop has polled for I/O, for which a resolved promise alone is not enough. */
export const eventLoopTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
