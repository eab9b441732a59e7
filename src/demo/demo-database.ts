/** The database of the demo. */
export interface DemoDatabase {
  readonly kind: 'embedded' | 'own server'
  readonly connectionString: string
  /** Schema of the demo's tables. */
  readonly schema: string
  /** Schema of the change feed. */
  readonly feedSchema: string
  /** A description for the terminal. */
  readonly description: string
  /** Prepares the role for SQL of the page, after the tables exist, and returns its connection string. Null if SQL is disabled. */
  readonly openSqlBox: (() => Promise<string>) | null
  /** Stops the server or drops the schemas, and removes temporary data. */
  close(): Promise<void>
}
