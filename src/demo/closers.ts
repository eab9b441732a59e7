/** Closes resources in reverse order. Each is closed even if others fail. */
export class Closers {
  readonly #closers: (() => Promise<void>)[] = []
  #closing: Promise<void> | undefined

  add(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  /** Rejects with the first error. */
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
