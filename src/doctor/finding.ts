/** A problem that prevents capture or publishing of changes, or may in the future. */
export interface Finding {
  /** The check, in one word. Stable, for scripts. */
  readonly check: string
  /** An `error` prevents delivery of changes now, a `warning` may in the future. */
  readonly severity: 'error' | 'warning'
  /** The problem and its consequence. */
  readonly message: string
  /** The origin, such as the stack of an error thrown by the app. */
  readonly detail?: string
  /** The repair, if known. */
  readonly repair?: Repair
}

export interface Repair {
  /** Statements, to be run in one transaction. */
  readonly sql?: readonly string[]
  /** A command line. */
  readonly command?: string
}
