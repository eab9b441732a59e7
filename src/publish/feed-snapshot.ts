/** The transactions that had ended at one moment, compared to what a feed has published. */
export interface FeedSnapshot {
  includes(xid: bigint): boolean
  /** Whether all of their changes have been published. Also true once the feed can no longer tell. */
  readonly isPublished: boolean
}
