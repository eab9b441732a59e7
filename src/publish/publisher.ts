import type { MessageMeta, RecordEvent } from './mapping/record-event.ts'
import type { SentEvent } from './socketio/sent-event.ts'

/**
 * The target of record events. `publish` is called in feed order, one event at a time; the next event waits for a returned
 * promise. If it throws or rejects, the error is reported with the change's cursor, and clients of the model receive
 * `refetch`. If the error has `retryable === true` (the adapter's backend is down), the feed retries the same event instead.
 */
export interface Publisher {
  publish(event: RecordEvent, meta: MessageMeta): void | Promise<void>
  /**
   * Called between events, up to a hundred times a second and at the end of each page. The feed waits for a returned promise.
   * A publisher that buffers resolves it when there is room again, and limits that time itself.
   */
  drained?(): void | Promise<void>
  /**
   * Called every few seconds while nothing is published. Rejects while the backend is unavailable, which the health check
   * reports. Without it, health depends on the last event.
   */
  check?(): Promise<void>
  /**
   * Whether any socket would receive the event if it were published now. For `refetch`: whether any room of the model has
   * members. If not, the feed skips the event and its queries. Omit this method if every event must reach the publisher, for
   * example in a wrapper that does more than publish to sockets.
   */
  hasReceivers?(event: RecordEvent): boolean
  /**
   * What publishing the event sends to sockets, for clients that missed it. A wrapper that changes events changes them here as
   * well. Without it, clients cannot catch up.
   */
  sent?(event: RecordEvent, meta: MessageMeta): SentEvent
  /** Called for an event that was not looked up, because it had no receivers. */
  skipped?(event: RecordEvent, meta: MessageMeta): void
  /** Number of sockets connected to this process. Null, as without the method, if it serves none itself. */
  sockets?(): number | null
}
