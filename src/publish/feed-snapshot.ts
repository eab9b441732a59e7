/** The transactions that had ended at one moment, compared to what a feed has published. */
export interface FeedSnapshot {
  includes(xid: bigint): boolean
  /** Whether all of their changes have been published. Also true once the feed can no longer tell. */
  readonly isPublished: boolean
  /**
   * Asks the database whether changes of these transactions are not published yet. {@link isPublished} may stay false although
   * there are none, until a later change is published: the last of the transactions may have changed no model.
   */
  hasUnpublishedChanges(): Promise<boolean>
}
