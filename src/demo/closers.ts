/** What is to be ended, the last one first. Each is ended, whatever becomes of the others. */
export class Closers {
  readonly #closers: (() => Promise<void>)[] = []
  #closing: Promise<void> | undefined

  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  /** Throws what the first one threw that failed. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll() {
    const errors: unknown[] = []
    for (const close of this.#closers.splice(0).reverse()) await close().catch(error => errors.push(error))
    if (errors.length > 0) throw errors[0]
  }
}
