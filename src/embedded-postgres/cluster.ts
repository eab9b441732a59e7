import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'

/** A data folder, and what its server runs with. */
export interface Cluster {
  readonly folder: string
  readonly binaries: Binaries
  readonly account: Account
  /** Of the superuser. */
  readonly password: string
}
