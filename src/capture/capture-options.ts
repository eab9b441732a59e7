import type { ModelOptions } from '../models/selection.ts'

/** How the selected models are captured. */
export interface CaptureOptions {
  /** Name of our own Postgres schema. */
  readonly schema: string
  /** A role that may own it besides those that are trusted anyhow. */
  readonly schemaOwner?: string | undefined
  /** Settings of single models, by identity. */
  readonly models: ReadonlyMap<string, ModelOptions>
  /** Whether an UPDATE that changes nothing is logged. */
  readonly noopUpdates: 'publish' | 'ignore'
  /**
   * Whether the trigger looks for an origin in the statement itself: the comment `changefeed:origin=TOKEN`, set in slash
   * and star without spaces, at the very start or the very end of the text that the client sent. A TOKEN is 1 to 200 of
   * `A-Z a-z 0-9 _ . : = ~ -`. @default false
   */
  readonly originTag?: boolean
  /**
   * Whether changes are captured under `session_replication_role = replica` too, as logical replication applies them.
   * @default false
   */
  readonly enableAlways?: boolean
}

/** What an installation does only when it is asked to. */
export interface InstallFlags {
  /**
   * Whether capture that no model of this app asks for is removed, unless a process that runs now publishes it.
   * @default false
   */
  readonly prune?: boolean
  /**
   * Whether columns that an earlier installation left out of the change log, and that this app does not omit, enter it
   * from now on. @default false
   */
  readonly reveal?: boolean
}
