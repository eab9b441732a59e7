/** Something that keeps changes from being captured or published, or may come to. */
export interface Finding {
  /** What was looked at, in one word: stable, for scripts. */
  readonly check: string
  /** An `error` keeps changes from their clients now; a `warning` may come to. */
  readonly severity: 'error' | 'warning'
  /** What is wrong and what follows from it. */
  readonly message: string
  /** Where it comes from, such as the stack of what the app's code threw. */
  readonly detail?: string
  /** What repairs it, as far as that can be told. */
  readonly repair?: Repair
}

export interface Repair {
  /** Statements, to be run in one transaction. */
  readonly sql?: readonly string[]
  /** A command line. */
  readonly command?: string
}
