/** How long publishing may block the event loop, in milliseconds. The resulting socket writes take about as long again. */
const SLICE_MS = 4
/** A turn of the event loop in which nobody had work takes less, in milliseconds. */
const IDLE_TURN_MS = 0.05

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

  /**
   * Yields to the event loop until nobody has work, for a slice at most, and begins the next slice. One turn would not be
   * enough for thousands of clients that connect, as libuv accepts one connection in each.
   */
  async next(): Promise<void> {
    const yielded = performance.now()
    for (let turn = yielded, now = yielded; ; turn = now) {
      await eventLoopTurn()
      now = performance.now()
      if (now - turn < IDLE_TURN_MS || now - yielded >= SLICE_MS) break
    }
    this.begin()
  }
}

/**
 * Shares time slices among many tasks. Their pieces of work run one after another, in the order in which they were asked
 * for, so that a thousand tasks do not take a slice each before the event loop turns.
 */
export class SharedSlices {
  readonly #slice = new TimeSlice()
  #last: Promise<unknown> = Promise.resolve()

  /** Runs a piece of work when its turn comes. It should end once `isOver` returns true. */
  run<Result>(work: (isOver: () => boolean) => Result): Promise<Result> {
    const turn = this.#last.then(async () => {
      if (this.#slice.isOver) await this.#slice.next()
      return work(() => this.#slice.isOver)
    })
    this.#last = turn.catch(() => {}) // its caller handles the error
    return turn
  }
}

/** Resolves after the event loop has polled for I/O, for which a resolved promise alone is not enough. */
export const eventLoopTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
