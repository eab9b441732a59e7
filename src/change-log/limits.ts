/**
 * Limits on what a writer can log. Enforced by the trigger, and again by the reading statements, since an earlier
 * version may have logged more. In bytes of the database's encoding.
 */

/** Larger rows are logged and read by their key only: Postgres cannot build a value of more than 1 GB. */
export const ROW_BYTES_MAX = 128 * 1024 * 1024

/** Longer `changefeed.annotations` are dropped. */
export const ANNOTATION_BYTES_MAX = 16 * 1024

/** A longer `changefeed.origin` is dropped: it cannot be a socket id. */
export const ORIGIN_BYTES_MAX = 1024
