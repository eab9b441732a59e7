/**
 * What a writer can put into the log is bounded twice: by the trigger, and by the statements that read, as the log may
 * hold rows of an earlier version. All in bytes of the database's encoding.
 */

/** A row whose texts are larger is logged and read by its key: Postgres builds a value in one piece of 1 GB at most. */
export const ROW_BYTES_MAX = 128 * 1024 * 1024

/** `changefeed.annotations` beyond this are left out. */
export const ANNOTATION_BYTES_MAX = 16 * 1024

/** A `changefeed.origin` beyond this is left out: it could not be the id of a socket. */
export const ORIGIN_BYTES_MAX = 1024
