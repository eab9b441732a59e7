export interface AttemptLimits {
  readonly windowMs: number
  /** Wrong tokens that one address may send within the window. */
  readonly perAddress: number
  /** Wrong tokens that all addresses together may send, but for those that have sent the right one. */
  readonly total: number
}

interface Count {
  failures: number
  /** Whether the address has sent the right token. */
  known: boolean
}

/** Counts wrong tokens, so that a token cannot be guessed by trying. All counts begin anew with each window. */
export class Attempts {
  readonly #limits: AttemptLimits
  readonly #addresses = new Map<string, Count>()
  #failures = 0
  #windowEnd = 0

  constructor(limits: AttemptLimits) {
    this.#limits = limits
  }

  /** Milliseconds that the address has to wait until its next attempt. */
  waitMs(address: string, now = Date.now()): number {
    this.#startWindow(now)
    const { failures, known } = this.#of(address)
    const isOver = failures >= this.#limits.perAddress || (!known && this.#failures >= this.#limits.total)
    return isOver ? this.#windowEnd - now : 0
  }

  succeeded(address: string): void {
    this.#addresses.set(address, { failures: 0, known: true })
  }

  failed(address: string): void {
    const { failures, known } = this.#of(address)
    this.#addresses.set(address, { failures: failures + 1, known })
    this.#failures++
  }

  #startWindow(now: number): void {
    if (now < this.#windowEnd) return
    this.#windowEnd = now + this.#limits.windowMs
    this.#failures = 0
    const known = [...this.#addresses].filter(([, count]) => count.known).slice(-KNOWN)
    this.#addresses.clear()
    for (const [address] of known) this.succeeded(address)
  }

  #of(address: string): Count {
    return this.#addresses.get(address) ?? { failures: 0, known: false }
  }
}

const KNOWN = 1000
