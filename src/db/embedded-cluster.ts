import type { Account } from './embedded-account.ts'
import type { Binaries } from './embedded-binaries.ts'

/** A data folder, and what its server runs with. */
export interface Cluster {
  readonly folder: string
  readonly binaries: Binaries
  readonly account: Account
  /** Of the superuser. */
  readonly password: string
}
