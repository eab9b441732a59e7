import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'

/** A data folder and the parameters of its server. */
export interface Cluster {
  readonly folder: string
  readonly binaries: Binaries
  readonly account: Account
  /** Password of the superuser. */
  readonly password: string
}
