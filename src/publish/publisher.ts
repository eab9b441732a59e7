import type { MessageMeta, RecordEvent } from './mapping/record-event.ts'

/**
 * Where record events go. `publish` is called in feed order, one at a time; the next event waits for a returned promise.
 * A throw or rejection is reported with the change's cursor, and the clients of the model are told to read again, except
 * one whose error has `retryable === true` (the adapter's backend is down): then the feed waits and tries the same event
 * again.
 */
export interface Publisher {
  publish(event: RecordEvent, meta: MessageMeta): void | Promise<void>
  /**
   * Called between events, up to a hundred times a second and at the end of each page. The feed waits for a returned promise:
   * a publisher that buffers lets it resolve when there is room again, and bounds that time itself.
   */
  drained?(): void | Promise<void>
  /**
   * Called every few seconds while nothing is published. Rejects while the backend is away, which health then reports. A
   * publisher without it is known by its last event.
   */
  check?(): Promise<void>
  /**
   * Whether anyone would receive an event if it were published now; of `refetch`, whether anyone is in a room of its model.
   * Where nobody would, the feed saves the queries that an event takes, and the event. A publisher without it gets every
   * event: leave it out where you wrap another one to do more than it does.
   */
  hasReceivers?(event: RecordEvent): boolean
  /** How many sockets are connected to this process; null, as without it, where it serves none itself. */
  sockets?(): number | null
}
