/** Lets a limited number of tasks run at once. The others wait, in order, for a limited time. */
export class Turns {
  readonly #limit: number
  readonly #waitMs: number
  readonly #waiting = new Set<() => void>()
  #running = 0

  constructor(limit: number, waitMs: number) {
    this.#limit = limit
    this.#waitMs = waitMs
  }

  /** False if none came in time. Otherwise {@link end} must be called. */
  async take(): Promise<boolean> {
    if (this.#running < this.#limit) {
      this.#running++
      return true
    }
    return await new Promise(resolve => {
      const begin = () => {
        clearTimeout(timer)
        resolve(true)
      }
      const giveUp = () => {
        this.#waiting.delete(begin)
        resolve(false)
      }
      const timer = setTimeout(giveUp, this.#waitMs).unref()
      this.#waiting.add(begin)
    })
  }

  /** The turn passes to the first that waits. */
  end(): void {
    const [next] = this.#waiting
    if (!next) {
      this.#running--
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
