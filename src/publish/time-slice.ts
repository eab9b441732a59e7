/** How long publishing keeps the event loop to itself, in milliseconds. The writes that it causes take as long again. */
const SLICE_MS = 4

/**
 * Divides work by time, so that timers, requests and the writes of sockets get their turn however much there is to
 * publish. By time and not by count: one message to 2,000 sockets costs as much as 2,000 messages to one.
 */
export class TimeSlice {
  #endsAt = 0

  get isOver(): boolean {
    return performance.now() >= this.#endsAt
  }

  begin(): void {
    this.#endsAt = performance.now() + SLICE_MS
  }

  /** Lets the event loop go round once, and begins the next slice. */
  async next(): Promise<void> {
    await eventLoopTurn()
    this.begin()
  }
}

/** Resolves after the event loop has polled for I/O: a resolved promise alone would not let it. */
export const eventLoopTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
