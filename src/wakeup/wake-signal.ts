/** A wake-up that is remembered: signals between two waits count as one, and none is lost. */
export class WakeSignal {
  #rung = false
  #wake: (() => void) | null = null

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Resolves at the next signal (at once for an earlier one), or after `ms`. True when signalled. */
  async wait(ms: number): Promise<boolean> {
    if (!this.#rung) await this.#ringOrTimeout(ms)
    const rung = this.#rung
    this.#rung = false
    return rung
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
