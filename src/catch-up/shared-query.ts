/** Shares the runs of a query among callers. A caller never receives the result of a run that began before its call. */
export class SharedQuery<Result> {
  readonly #run: () => Promise<Result>
  #running: Promise<Result> | null = null
  #next: Promise<Result> | null = null

  constructor(run: () => Promise<Result>) {
    this.#run = run
  }

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
    const run = this.#run().finally(() => {
      if (this.#running === run) this.#running = null
    })
    this.#running = run
    return run
  }
}
