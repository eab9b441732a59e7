export interface Bounds {
  /** Entries that are kept. @default any number */
  readonly count?: number
  /** How long an entry is kept, in milliseconds, and then until another one is set. @default for ever */
  readonly ageMs?: number
}

interface Entry<Value> {
  readonly value: Value
  /** By `performance.now()`. */
  readonly setAt: number
}

/** A map that forgets its oldest entries whenever one is set. Setting a key again makes it the youngest. */
export class BoundedMap<Key, Value> {
  /** Oldest first. */
  readonly #entries = new Map<Key, Entry<Value>>()
  readonly #count: number
  readonly #ageMs: number

  constructor({ count = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY }: Bounds) {
    this.#count = count
    this.#ageMs = ageMs
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value
  }

  has(key: Key): boolean {
    return this.#entries.has(key)
  }

  set(key: Key, value: Value): void {
    const setAt = performance.now()
    this.#entries.delete(key)
    this.#entries.set(key, { value, setAt })
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#count && setAt - entry.setAt < this.#ageMs) return
      this.#entries.delete(oldest)
    }
  }

  clear(): void {
    this.#entries.clear()
  }

  /** Whether there was such an entry. */
  delete(key: Key): boolean {
    return this.#entries.delete(key)
  }
}
