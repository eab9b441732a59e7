/** Shares the runs of a query among callers. */
export class SharedQuery<Result> {
  readonly #run: () => Promise<Result>
  #running: Promise<Result> | null = null
  #next: Promise<Result> | null = null
  #latest: { readonly result: Promise<Result>; readonly began: number } | null = null

  constructor(run: () => Promise<Result>) {
    this.#run = run
  }

  /** The result of a run that began at most so many milliseconds ago. */
  async askRecent(ms: number): Promise<Result> {
    if (this.#latest && performance.now() - this.#latest.began <= ms) return await this.#latest.result
    return await this.ask()
  }

  /** The result of a run that begins now or later. */
  async ask(): Promise<Result> {
    if (!this.#running) return await this.#start()
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    )
    return await this.#next
  }

  #startNext(): Promise<Result> {
    this.#next = null
    return this.#start()
  }

  #start(): Promise<Result> {
    const began = performance.now()
    const run = this.#run().finally(() => {
      if (this.#running === run) this.#running = null
    })
    this.#running = run
    this.#latest = { result: run, began }
    run.catch(() => {
      if (this.#latest?.result === run) this.#latest = null
    })
    return run
  }
}
