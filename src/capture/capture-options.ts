import type { ModelOptions } from '../models/selection.ts'

/**
 * `row`: a trigger for each row. `statement`: a trigger for each statement, which logs its rows from transition tables in
 * one INSERT.
 */
export type CaptureMode = 'row' | 'statement'

/** How the selected models are captured. */
export interface CaptureOptions {
  /** Name of our own Postgres schema. */
  readonly schema: string
  /** A role that may own it in addition to those that are always trusted. */
  readonly schemaOwner?: string | undefined
  /** Settings of individual models, by identity. */
  readonly models: ReadonlyMap<string, ModelOptions>
  /** Whether an UPDATE without changes is logged. */
  readonly noopUpdates: 'publish' | 'ignore'
  /** Whether triggers fire for each row or for each statement. @default 'row' */
  readonly capture?: CaptureMode
  /**
   * Whether the trigger reads the origin from the statement: a comment of the form `changefeed:origin=TOKEN` between
   * slash-star and star-slash, without spaces, at the start or end of the text sent by the client. TOKEN is 1 to 200 of
   * `A-Z a-z 0-9 _ . : = ~ -`. @default false
   */
  readonly originTag?: boolean
  /**
   * Whether changes are also captured under `session_replication_role = replica`, as logical replication applies them.
   * @default false
   */
  readonly enableAlways?: boolean
}

/** What an installation does only on request. */
export interface InstallFlags {
  /**
   * Removes capture that no model of this app uses, unless a running process publishes it.
   * @default false
   */
  readonly prune?: boolean
  /**
   * Logs columns from now on that an earlier installation omitted and this app does not.
   * @default false
   */
  readonly reveal?: boolean
}
