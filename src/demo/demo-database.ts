/** Where the demo's tables are. */
export interface DemoDatabase {
  readonly kind: 'embedded' | 'own server'
  readonly connectionString: string
  /** Of the demo's tables. */
  readonly schema: string
  /** Of the change feed. */
  readonly feedSchema: string
  /** In words, for the terminal. */
  readonly description: string
  /** Lets the page run SQL, once the tables are there; null where it may not. Gives the connection string of its role. */
  readonly openSqlBox: (() => Promise<string>) | null
  /** Ends what was started, and removes what nobody wants to keep. */
  close(): Promise<void>
}
