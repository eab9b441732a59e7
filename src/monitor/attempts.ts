export interface AttemptLimits {
  readonly windowMs: number
  /** Maximum number of wrong tokens from one address within the window. */
  readonly perAddress: number
  /** Maximum number of wrong tokens from all addresses. Addresses that have sent the right token are exempt. */
  readonly total: number
}

interface Count {
  failures: number
  /** Whether the address has sent the right token. */
  known: boolean
}

/** Counts wrong tokens to prevent guessing. All counts are reset with each window. */
export class Attempts {
  readonly #limits: AttemptLimits
  readonly #addresses = new Map<string, Count>()
  #failures = 0
  #windowEnd = 0

  constructor(limits: AttemptLimits) {
    this.#limits = limits
  }

  /** Milliseconds until the next attempt of the address. */
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
