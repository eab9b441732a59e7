/** A wake-up that is remembered: signals between two waits end one wait, and none is lost. */
export class WakeSignal {
  #signals = 0
  #wake: (() => void) | null = null

  ring(): void {
    this.#signals += 1
    this.#wake?.()
  }

  /** Resolves at the next signal (at once for an earlier one), or after `ms`, with the number of signals. */
  async wait(ms: number): Promise<number> {
    if (this.#signals === 0) await this.#ringOrTimeout(ms)
    const signals = this.#signals
    this.#signals = 0
    return signals
  }

  #ringOrTimeout(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
